"""Hold sessions against RFC 9700: one use for each token, one end for each family."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select, update

from chassis.testing import bearer
from services.auth.models import LoginSession, RefreshToken, User

ALICE = {"username": "alice", "password": "alice"}
PATH = "/api/v1/auth/refresh"
GRACE_SECONDS, LIFE_SECONDS = 10, 14 * 86400


pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture
def client(app):
    return app.test_client(use_cookies=False)


@pytest.fixture
def log_in(client):
    return lambda: client.post("/api/v1/auth/login", json=ALICE).json


@pytest.fixture
def refresh(client):
    def refresh(token):
        return client.post(PATH, json={"refresh_token": token})

    return refresh


@pytest.fixture
def successor(refresh):
    def successor(token):
        answer = refresh(token)
        assert answer.status_code == 200
        return answer.json["refresh_token"]

    return successor


@pytest.fixture
def database(app):
    return app.extensions["desk"].database


def count(database, table):
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(table))


def test_each_use_gives_new_tokens(client, log_in, refresh):
    first = log_in()

    answer = refresh(first["refresh_token"])

    second = answer.json
    assert answer.status_code == 200
    assert second.keys() == first.keys()
    assert second["refresh_token"] != first["refresh_token"]
    me = client.get("/api/v1/auth/me", headers=bearer(second["access_token"]))
    assert me.json["username"] == "alice"


def test_new_tokens_are_kept_in_cookies_too(client, log_in, refresh):
    answer = refresh(log_in()["refresh_token"])

    kept = [line.partition(";")[0] for line in answer.headers.getlist("Set-Cookie")]
    tokens = answer.json
    assert kept == [f"token={tokens['access_token']}", f"refresh={tokens['refresh_token']}"]


def test_browser_refreshes_with_its_cookie(app, clock):
    browser = app.test_client()
    browser.post("/auth", json=ALICE)
    clock.advance(700)
    assert browser.get("/api/v1/auth/me").status_code == 401

    assert browser.post(PATH, json={}).status_code == 200

    assert browser.get("/api/v1/auth/me").json["username"] == "alice"


def test_planted_cookie_beside_the_own_one_is_refused(client, log_in):
    cookies = f"refresh={log_in()['refresh_token']}; refresh={log_in()['refresh_token']}"

    assert client.post(PATH, json={}, headers={"Cookie": cookies}).status_code == 401


@pytest.mark.parametrize("body", [{}, {"refresh_token": "guess"}, {"refresh_token": "\u00e9" * 43}])
def test_what_was_never_given_is_refused(client, body):
    answer = client.post(PATH, json=body)

    assert (answer.status_code, answer.json["code"]) == (401, "session_over")
    assert "Set-Cookie" not in answer.headers


def test_access_token_and_refresh_token_can_not_stand_in_for_one_another(client, log_in, refresh):
    tokens = log_in()

    as_refresh = client.post(PATH, json={"refresh_token": tokens["access_token"][:128]})
    as_access = client.get("/api/v1/auth/me", headers=bearer(tokens["refresh_token"]))

    assert (as_refresh.status_code, as_access.status_code) == (401, 401)


def test_no_token_is_stored(database, log_in, successor):
    first = log_in()["refresh_token"]
    second = successor(first)

    with database.read() as session:
        rows = session.execute(select(*RefreshToken.__table__.columns)).all()
    stored = str([tuple(row) for row in rows]) + repr(rows)
    assert len(rows) == 2
    assert first not in stored
    assert second not in stored


def test_used_token_that_comes_late_ends_its_session_and_no_other(
    log_in, refresh, successor, clock, caplog
):
    caplog.set_level("INFO", "audit")
    stolen, elsewhere = log_in()["refresh_token"], log_in()["refresh_token"]
    newest = successor(successor(stolen))
    clock.advance(GRACE_SECONDS + 1)

    assert refresh(stolen).status_code == 401

    assert refresh(newest).status_code == 401
    assert refresh(elsewhere).status_code == 200
    noted = [record.__dict__ for record in caplog.records if record.name == "audit"]
    reuse = [line for line in noted if line["event"] == "refresh.reuse"]
    assert [(line["outcome"], bool(line["user"])) for line in reuse] == [("ended", True)]


def test_lost_answer_is_given_once_more(log_in, successor, clock):
    token = log_in()["refresh_token"]

    first = successor(token)
    clock.advance(GRACE_SECONDS)
    again = successor(token)

    assert again == first
    assert successor(again)


def test_answer_that_arrived_is_not_given_once_more(log_in, refresh, successor):
    token = log_in()["refresh_token"]
    newest = successor(successor(token))

    assert refresh(token).status_code == 401

    assert refresh(newest).status_code == 200


def test_twenty_at_once_get_one_successor(app, database, log_in):
    token = log_in()["refresh_token"]

    def refresh(_):
        return app.test_client().post(PATH, json={"refresh_token": token})

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(refresh, range(20)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json["refresh_token"] for answer in answers}) == 1
    assert count(database, RefreshToken) == 2
    with database.read() as session:
        assert session.scalars(select(LoginSession.ended_at)).all() == [None]


def test_session_lasts_as_long_as_it_is_refreshed(log_in, refresh, successor, clock):
    token = log_in()["refresh_token"]
    for _ in range(3):
        clock.advance(LIFE_SECONDS - 1)
        token = successor(token)

    clock.advance(LIFE_SECONDS)

    assert refresh(token).status_code == 401


def test_what_is_over_is_forgotten(database, log_in, successor, clock):
    log_in()
    token = successor(successor(log_in()["refresh_token"]))
    clock.advance(LIFE_SECONDS - 1)
    token = successor(token)
    clock.advance(2)
    successor(token)

    # Of the first session nothing has been heard, and two tokens of the second were used long ago.
    assert count(database, RefreshToken) == 4
    log_in()

    assert count(database, LoginSession) == 2


def test_log_out_ends_the_session_and_no_other(client, log_in, refresh):
    here, elsewhere = log_in(), log_in()

    client.post("/api/v1/auth/logout", headers=bearer(here["access_token"]))

    assert refresh(here["refresh_token"]).status_code == 401
    assert refresh(elsewhere["refresh_token"]).status_code == 200


def test_new_token_has_the_roles_of_now(client, database, log_in, refresh):
    token = log_in()["refresh_token"]
    theirs = update(User).where(User.username == "alice")
    with database.write() as session:
        session.execute(theirs.values(roles=["operator"]))

    access = refresh(token).json["access_token"]

    me = client.get("/api/v1/auth/me", headers=bearer(access))
    with database.write() as session:
        session.execute(theirs.values(roles=["customer"]))
    assert me.json["roles"] == ["operator"]


def test_session_survives_a_restart(shared_premises, log_in):
    token = log_in()["refresh_token"]

    answer = shared_premises.open().test_client().post(PATH, json={"refresh_token": token})

    assert answer.status_code == 200


def test_browser_may_send_no_body_at_all(app):
    browser = app.test_client()
    browser.post("/auth", json=ALICE)

    assert browser.post(PATH).status_code == 200
    assert browser.post(PATH, data="refresh", content_type="text/plain").status_code == 415
    assert app.test_client().post(PATH).status_code == 400


def test_browser_keeps_the_cookies_of_a_tab_that_was_quicker(client, log_in, successor):
    token = log_in()["refresh_token"]
    successor(successor(token))

    answer = client.post(PATH, headers={"Cookie": f"refresh={token}"})

    assert answer.status_code == 401
    assert "Set-Cookie" not in answer.headers


def test_token_in_the_body_needs_no_cookie(client, log_in):
    token, cookies = log_in()["refresh_token"], {"Cookie": "refresh=a; refresh=b"}

    assert client.post(PATH, json={"refresh_token": token}, headers=cookies).status_code == 200
