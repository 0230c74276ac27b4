import time

import pytest
from sqlalchemy import delete

from chassis.testing import START, bearer
from services.auth.models import User
from tests.security.bad_tokens import bad_tokens, good_token

ME = "/api/v1/auth/me"


@pytest.fixture(scope="module")
def signing_key(app):
    return app.extensions["desk"].key_ring.signing_key


@pytest.fixture(scope="module")
def claims(app):
    """Return the claims that a token needs in order to be accepted here."""
    users = app.test_client().post(
        "/api/v1/auth/login", json={"username": "bob", "password": "bob"}
    )
    me = app.test_client().get(ME, headers=bearer(users.json["access_token"])).json
    return {"sub": me["id"], "iat": int(START.timestamp())}


def test_me_is_who_the_bearer_token_says(client, log_in):
    answer = client.get(ME, headers=bearer(log_in("admin")))

    me = answer.json
    assert len(me.pop("id")) == 32
    assert me == {"username": "admin", "email": "admin@example.com", "roles": ["operator"]}


def test_me_is_who_the_cookie_says(client, log_in):
    client.set_cookie("token", log_in("bob"))

    assert client.get(ME).json["username"] == "bob"


def test_bearer_wins_over_the_cookie(client, log_in):
    client.set_cookie("token", log_in("bob"))

    assert client.get(ME, headers=bearer(log_in("alice"))).json["username"] == "alice"


def test_nobody_is_told_that_the_token_is_missing(client):
    answer = client.get(ME)

    assert (answer.status_code, answer.json["error"]) == (401, "Authorization token is missing")


def refusal_of(client, **headers):
    """Return everything in an answer that may not depend on what is wrong with the token."""
    answer = client.get(ME, headers=headers)
    return (
        answer.status_code,
        answer.json | {"request_id": None},
        dict(answer.headers) | {"X-Request-Id": None},
    )


def test_every_bad_token_gets_one_and_the_same_answer_at_once(app, signing_key, claims):
    # A client that keeps no cookies.
    client = app.test_client(use_cookies=False)
    key, key_id = signing_key.private_key, signing_key.key_id
    accepted = good_token(key, key_id, **claims)
    expected = refusal_of(client, Authorization="Bearer rubbish")
    tokens = bad_tokens(key, key_id, **claims)

    def send(name):
        started = time.thread_time()
        answers = [
            refusal_of(client, Authorization=f"Bearer {tokens[name]}"),
            refusal_of(client, Cookie=f"token={tokens[name]}"),
        ]
        return time.thread_time() - started, answers

    sent = {name: send(name) for name in tokens}

    assert client.get(ME, headers=bearer(accepted)).json["username"] == "bob"
    assert expected[0] == 401
    assert [name for name, (_, both) in sent.items() if both != [expected, expected]] == []
    # Once more, because the collector of garbage may have come in between.
    slow = [name for name, (seconds, _) in sent.items() if seconds > 0.1]
    assert [name for name in slow if min(send(name)[0] for _ in range(3)) > 0.1] == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Cookie": "token={0}; token={0}"},
        {"Cookie": "token=; token={0}"},
        {"Cookie": "token="},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer  {0}"},
        {"Authorization": "Bearer {0}, Bearer {0}"},
        {"Authorization": "Basic {0}"},
        {"Authorization": "{0}"},
        {"Authorization": "Basic YTpi", "Cookie": "token={0}"},
    ],
    ids=str,
)
def test_token_in_a_bad_place_gets_the_same_answer(app, client, log_in, headers):
    token = log_in()
    stateless = app.test_client(use_cookies=False)

    placed = {name: value.format(token) for name, value in headers.items()}

    assert refusal_of(stateless, **placed) == refusal_of(stateless, Authorization="Bearer rubbish")


def test_token_of_a_service_is_no_persons(client):
    credentials = {"client_id": "orders", "client_secret": "the-secret-of-orders"}
    token = client.post("/internal/tokens", json=credentials).json["access_token"]

    assert client.get(ME, headers=bearer(token)).json["code"] == "invalid_token"


def test_token_of_a_user_who_is_gone_is_refused(premises):
    app = premises.open()
    client = app.test_client()
    client.post("/auth", json={"username": "alice", "password": "alice"})
    with app.extensions["desk"].database.write() as session:
        session.execute(delete(User))

    assert client.get(ME).json["code"] == "invalid_token"


def test_token_is_refused_when_its_time_is_over(premises):
    client = premises.open(ACCESS_TOKEN_SECONDS="30").test_client(use_cookies=False)
    credentials = {"username": "alice", "password": "alice"}
    token = client.post("/api/v1/auth/login", json=credentials).json["access_token"]
    premises.clock.advance(29)
    before = client.get(ME, headers=bearer(token)).status_code

    premises.clock.advance(1)

    assert (before, client.get(ME, headers=bearer(token)).status_code) == (200, 401)
