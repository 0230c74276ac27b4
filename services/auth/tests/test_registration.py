"""Register people, each name and address once."""

import time

import pytest
from sqlalchemy import delete, func, select

from chassis.errors import Unavailable
from messaging import outbox
from services.auth.models import LoginSession, OutboxEvent, User
from tests.contract.event_schemas import faults
from tests.resilience.at_once import at_once

pytestmark = pytest.mark.usefixtures("cheap_passwords", "quiet", "no_newcomers")

PATH = "/api/v1/auth/register"
OLGA = {
    "username": "Olga.P",
    "email": "Olga@Example.com",
    "password": "twelve quiet owls",
    "language": "pt-BR",
}


@pytest.fixture
def no_newcomers(app):
    with app.extensions["desk"].database.write() as session:
        session.execute(delete(User).where(User.folded_username.not_in(["admin", "alice", "bob"])))


@pytest.fixture
def subscriber(shared_premises):
    return shared_premises.subscriber


@pytest.fixture
def register(app):
    def register(source="203.0.113.1", **changes):
        body = {name: value for name, value in (OLGA | changes).items() if value is not None}
        headers = {"X-Forwarded-For": source}
        return app.test_client(use_cookies=False).post(PATH, json=body, headers=headers)

    return register


@pytest.fixture
def stored(app):
    """Return a function that counts the rows of a table."""

    def stored(table):
        with app.extensions["desk"].database.read() as session:
            return session.scalar(select(func.count()).select_from(table))

    return stored


def alike(*answers):
    """Return what each answer says, apart from what every answer has of its own."""
    said = []
    for answer in answers:
        body = {name: value for name, value in answer.json.items() if name != "request_id"}
        said.append((answer.status_code, body, [*answer.headers.keys()], len(answer.data)))
    return said


def test_newcomer_is_signed_in_as_a_customer(client):
    answer = client.post(PATH, json=OLGA)

    me = client.get("/api/v1/auth/me").json
    assert answer.status_code == 201
    assert answer.json == {"id": me["id"], "username": "Olga.P"}
    assert me["email"] == "Olga@Example.com"
    assert me["roles"] == ["customer"]
    names = {header.partition("=")[0] for header in answer.headers.getlist("Set-Cookie")}
    assert names == {"token", "refresh", "device"}


def test_newcomer_can_sign_in_and_stay_signed_in(client):
    client.post(PATH, json=OLGA)
    assert client.post("/api/v1/auth/refresh", json={}).status_code == 200

    credentials = {"username": "oLGA.p", "password": OLGA["password"]}
    assert client.post("/auth", json=credentials).status_code == 200


def test_others_are_told_of_a_newcomer(register, subscriber):
    answer = register()

    event = subscriber.next("user.registered")
    assert faults("envelope.v1.json", event) == []
    assert faults("user.registered.v1.json", event["data"]) == []
    assert event["aggregate_id"] == event["data"]["user_id"] == answer.json["id"]
    assert event["request_id"] == answer.headers["X-Request-Id"]
    told = {name: event["data"][name] for name in ("username", "email", "language")}
    assert told == {name: OLGA[name] for name in told}


def test_language_may_be_left_unsaid(register, subscriber):
    assert register(language=None).status_code == 201

    assert subscriber.next("user.registered")["data"]["language"] is None


def test_nobody_waits_for_who_is_told(register, subscriber, stored):
    subscriber.error = Unavailable("nobody there")

    started = time.perf_counter()
    assert register().status_code == 201

    assert time.perf_counter() - started < 2
    assert stored(OutboxEvent) >= 1


def test_user_session_and_event_are_one_transaction(register, stored, monkeypatch):
    def fail(*_):
        raise Unavailable("no room on the disk")

    before = stored(User), stored(LoginSession)
    monkeypatch.setattr(outbox, "publish", fail)

    assert register().status_code == 503

    assert (stored(User), stored(LoginSession)) == before


@pytest.mark.parametrize(
    "changes",
    [
        {"username": "olga.p", "email": "other@example.com"},
        {"username": "other", "email": "oLGA@eXAMPLE.COM"},
        {},
        {"username": "ALICE"},
    ],
)
def test_taken_name_or_address_is_a_conflict(register, stored, changes):
    register()
    before = stored(User), stored(LoginSession), stored(OutboxEvent)

    answer = register(**changes)

    assert (answer.status_code, answer.json["code"]) == (409, "taken")
    assert "Set-Cookie" not in answer.headers
    assert (stored(User), stored(LoginSession)) == before[:2]


def test_which_of_them_is_taken_is_not_told(register):
    register()

    name, address = register(email="other@example.com"), register(username="other")

    assert alike(name) == alike(address)


def test_taken_costs_a_hash_as_well(register, app, monkeypatch):
    register()
    hashed = []
    desk = app.extensions["desk"]
    make = desk.hasher.hash
    monkeypatch.setattr(desk.hasher, "hash", lambda text: hashed.append(text) or make(text))

    register(username="other")
    register(email="other@example.com")

    assert hashed == [OLGA["password"]] * 2


@pytest.mark.usefixtures("many_at_once")
@pytest.mark.parametrize("same", ["username", "email"])
def test_two_who_want_the_same_at_once_get_it_once(register, same):
    other = {"username": "email", "email": "username"}[same]
    values = {"email": "olga-{}@example.com", "username": "olga-{}"}[other]

    answers = at_once(6, lambda n: register(**{other: values.format(n)}))

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5


@pytest.mark.parametrize(
    "changes",
    [
        {"username": "no"}, {"username": "a" * 65}, {"username": "olga maria"},
        {"username": "\u00f6lga"}, {"username": "olga\n"}, {"username": "olg\u0430"},
        {"email": "olga"}, {"email": "a@b@c"}, {"email": "a b@c"}, {"email": "a@b\r\nBcc: x@y"},
        {"email": "=?utf-8?q?x=0d=0aBcc:y?=@b.example"}, {"email": "a@b"}, {"email": "a@b.ex>"},
        {"email": "a@b.example,c"}, {"email": "<a@b.example>"}, {"email": "a@b..example"},
        {"email": "a\u200b@b.example"}, {"email": "a\u202e@b.example"}, {"email": "a@b.c(d)"},
        {"email": f"{'a' * 253}@b"}, {"email": "a\x1b@b"}, {"email": ""},
        {"language": "EN"}, {"language": "e"}, {"language": "en_GB"}, {"language": "en-"},
        {"language": "x" * 40}, {"language": ""}, {"password": "short"}, {"password": ""},
        {"password": "Potion-Shop"}, {"password": "password1234"}, {"password": "olga.p99"},
        {"password": "x" * 1025}, {"username": None}, {"email": None}, {"password": None},
        {"roles": ["operator"]}, {"id": "1"}, {"is_admin": True}, {"is_demo": True},
    ],
    ids=str,
)  # fmt: skip
def test_bad_member_is_named(register, changes):
    answer = register(**changes)

    assert (answer.status_code, answer.json["code"]) == (422, "invalid")
    if None not in changes.values():
        assert answer.json["errors"].keys() == changes.keys()


@pytest.mark.parametrize("changes", [{"username": None}, {"email": None}, {"password": None}])
def test_missing_member_is_named(register, changes):
    assert register(**changes).json["errors"].keys() == changes.keys()


def test_rule_that_a_password_breaks_is_said(register):
    assert register(password="password1234").json["errors"] == {
        "password": [
            "Among the passwords that are guessed first. Several words in a row are better."
        ]
    }


def test_all_of_a_long_password_counts(register, client):
    long = "x" * 72
    register(password=f"{long}a")

    wrong = client.post("/auth", json={"username": "olga.p", "password": f"{long}b"})
    right = client.post("/auth", json={"username": "olga.p", "password": f"{long}a"})

    assert (wrong.status_code, right.status_code) == (401, 200)


def test_who_registers_too_often_has_to_wait(register, clock, monkeypatch):
    monkeypatch.setattr("services.auth.throttle.MAX_REGISTRATIONS", 2)
    register(), register()

    refused, elsewhere = register(username="other"), register(source="198.51.100.1")

    assert (refused.status_code, refused.json["code"]) == (429, "too_many_attempts")
    assert refused.headers["Retry-After"] == "60"
    assert elsewhere.status_code == 409
    clock.advance(60)
    assert register(username="other", email="other@example.com").status_code == 201


def test_throttled_registration_costs_no_hash(register, app, monkeypatch):
    monkeypatch.setattr("services.auth.throttle.MAX_REGISTRATIONS", 1)
    register()
    monkeypatch.setattr(app.extensions["desk"].hasher, "hash", None)

    assert register().status_code == 429
