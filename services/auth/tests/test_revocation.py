"""Tell everybody whose access has ended, at once."""

import pytest
from sqlalchemy import func, select

from chassis.testing import bearer
from services.auth import registration, service, sessions
from services.auth.models import Revocation, User
from services.auth.revocation import OVERLAP

ALICE = {"username": "alice", "password": "alice"}
PATH = "/internal/revocations"
TOKEN_SECONDS = 600


pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture
def desk(app):
    return app.extensions["desk"]


@pytest.fixture
def client(app):
    return app.test_client(use_cookies=False)


@pytest.fixture
def log_in(client):
    return lambda: client.post("/api/v1/auth/login", json=ALICE).json


@pytest.fixture
def log_out(client):
    return lambda tokens: client.post("/api/v1/auth/logout", headers=bearer(tokens["access_token"]))


@pytest.fixture
def may(client):
    """Tell whether an access token is still good for something."""

    def may(tokens):
        me = client.get("/api/v1/auth/me", headers=bearer(tokens["access_token"]))
        return me.status_code == 200

    return may


@pytest.fixture
def revoked(client):
    def revoked(since=None):
        query = {} if since is None else {"since": since}
        return client.get(PATH, query_string=query).json

    return revoked


@pytest.fixture
def alice(desk):
    with desk.database.read() as session:
        return session.scalar(select(User.id).where(User.username == "alice"))


def test_log_out_ends_the_access_of_its_session_and_no_other(log_in, log_out, may, revoked):
    here, elsewhere = log_in(), log_in()

    log_out(here)

    assert not may(here)
    assert may(elsewhere)
    assert len(revoked()["revoked"]) == 1


def test_log_out_with_the_refresh_cookie_alone_ends_access_too(app, log_in, may):
    browser = app.test_client()
    tokens = browser.post("/api/v1/auth/login", json=ALICE).json
    browser.delete_cookie("token")

    assert browser.post("/api/v1/auth/logout").status_code == 204

    assert not may(tokens)
    assert may(log_in())


def test_log_out_ends_every_session_that_it_shows(client, log_in, may):
    planted, own, other = log_in(), log_in(), log_in()
    cookies = "; ".join(f"refresh={tokens['refresh_token']}" for tokens in (planted, own))

    answer = client.post(
        "/api/v1/auth/logout", headers={"Cookie": cookies, **bearer(other["access_token"])}
    )

    assert answer.status_code == 204
    assert [may(tokens) for tokens in (planted, own, other)] == [False, False, False]


def test_log_out_twice_revokes_once(log_in, log_out, revoked):
    tokens = log_in()

    assert [log_out(tokens).status_code for _ in range(2)] == [204, 204]

    assert len(revoked()["revoked"]) == 1


def test_stolen_refresh_token_ends_the_access_of_whoever_has_the_newest(client, log_in, may, clock):
    def refresh(tokens):
        body = {"refresh_token": tokens["refresh_token"]}
        return client.post("/api/v1/auth/refresh", json=body)

    first = log_in()
    newest = refresh(first).json
    assert may(newest)
    clock.advance(11)

    assert refresh(first).status_code == 401

    assert not may(newest)


def test_access_that_is_renewed_needs_a_refresh_and_no_new_log_in(
    client, desk, log_in, may, alice, clock
):
    tokens = log_in()
    with desk.database.write() as session:
        sessions.renew_access(session, alice, clock.now())

    assert not may(tokens)
    refreshed = client.post(
        "/api/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]}
    ).json
    assert may(refreshed)


def test_all_sessions_end_but_one(desk, log_in, may, alice, clock):
    first, second, third = log_in(), log_in(), log_in()
    with desk.database.write() as session:
        here = sessions.find(session, clock.now(), refresh_token=second["refresh_token"])
        sessions.end_all(session, alice, clock.now(), but=here.access_id)

    assert [may(tokens) for tokens in (first, second, third)] == [False, True, False]


def test_erased_user_has_no_access(desk, client, revoked):
    person = {"username": "eva", "email": "eva@example.com", "password": "twelve quiet owls"}
    registered = client.post("/api/v1/auth/register", json=person)

    registration.erase(desk, registered.json["id"])

    assert len(revoked()["revoked"]) == 1


def test_list_goes_on_where_the_one_before_ended(log_in, log_out, revoked, clock):
    log_out(log_in())
    before = revoked()
    clock.advance(OVERLAP.total_seconds() + 1)
    log_out(log_in())

    later = revoked(before["now"] + int(OVERLAP.total_seconds()) + 1)

    assert len(later["revoked"]) == 1
    assert set(later["revoked"]).isdisjoint(before["revoked"])
    # Of two commits, the one that began earlier may be seen later.
    assert set(revoked(before["now"])["revoked"]) == {*before["revoked"], *later["revoked"]}


def test_what_no_living_token_names_is_left_out_and_forgotten(
    desk, log_in, log_out, revoked, clock
):
    log_out(log_in())
    clock.advance(TOKEN_SECONDS + OVERLAP.total_seconds())
    assert len(revoked()["revoked"]) == 1
    assert revoked()["seconds"] >= TOKEN_SECONDS

    clock.advance(1)
    assert revoked()["revoked"] == []

    service.forget_expired(desk)
    with desk.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Revocation)) == 0


@pytest.mark.parametrize("since", ["-1", "now", "1e9", str(10**12), ""])
def test_odd_moment_is_refused(client, since):
    assert client.get(PATH, query_string={"since": since}).status_code == 422


def test_list_names_nobody(log_in, log_out, revoked, alice):
    log_out(log_in())

    assert alice not in str(revoked())
    assert revoked().keys() == {"revoked", "now", "seconds", "keys"}


def test_newest_sessions_are_kept(log_in, may, clock, monkeypatch):
    monkeypatch.setattr(sessions, "KEPT", 3)
    begun = []
    for _ in range(4):
        clock.advance(1)
        begun.append(log_in())

    assert [may(tokens) for tokens in begun] == [False, True, True, True]
