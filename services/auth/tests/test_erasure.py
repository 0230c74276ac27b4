"""Erase people, and leave the shop somebody who runs it."""

import json
import uuid

import pytest
from sqlalchemy import delete, func, select, update

from chassis.testing import bearer
from services.auth import events
from services.auth.models import (
    Delay,
    Device,
    Guess,
    LoginSession,
    OutboxEvent,
    RefreshToken,
    User,
)
from tests.contract.event_schemas import faults
from tests.resilience.at_once import at_once

pytestmark = pytest.mark.usefixtures("cheap_passwords", "quiet")

KEPT = (User, LoginSession, RefreshToken, Device)
PASSWORD = "twelve quiet owls"


@pytest.fixture
def desk(app):
    return app.extensions["desk"]


@pytest.fixture
def erase(app, desk):
    def erase(user_id, scope="users:erase"):
        token = desk.issuer.issue("service:accounts", scopes=[scope]).access_token
        path = f"/internal/users/{user_id}/erase"
        return app.test_client(use_cookies=False).post(path, headers=bearer(token))

    return erase


@pytest.fixture
def ids(desk, shared_premises):
    """Return the ids of the operator, and of two customers who were just stored."""
    with desk.database.write() as session:
        session.execute(delete(User).where(User.folded_username != "admin"))
        for name in ("olga", "bob"):
            user = User(
                id=uuid.uuid4().hex,
                username=name,
                folded_username=name,
                email=f"{name}@example.com",
                folded_email=f"{name}@example.com",
                roles=["customer"],
                password_hash=desk.hasher.hash(PASSWORD),
                is_demo=False,
                created_at=desk.clock.now(),
            )
            session.add(user)
            events.tell_imported(session, user, desk.clock.now())
        session.flush()
        return dict(session.execute(select(User.username, User.id)).all())


def count(desk, table):
    with desk.database.read() as session:
        return session.scalar(select(func.count()).select_from(table))


def log_in(client, username, password=PASSWORD):
    body = {"username": username, "password": password}
    return client.post("/api/v1/auth/login", json=body)


def test_nothing_is_left_of_who_is_erased(client, desk, erase, ids):
    before = [count(desk, table) for table in KEPT]
    signed_in = log_in(client, "olga").json
    log_in(client, "olga", "wrong")

    assert erase(ids["olga"]).status_code == 204

    assert [count(desk, table) for table in KEPT] == [before[0] - 1, *before[1:]]
    assert (count(desk, Guess), count(desk, Delay)) == (0, 0)
    assert client.get("/api/v1/auth/me").status_code == 401
    body = {"refresh_token": signed_in["refresh_token"]}
    assert client.post("/api/v1/auth/refresh", json=body).status_code == 401
    assert log_in(client, "olga").status_code == 401


def test_others_are_told_once(erase, ids, shared_premises):
    assert [erase(ids["olga"]).status_code for _ in range(3)] == [204] * 3

    event = shared_premises.subscriber.next("user.erased")
    assert faults("envelope.v1.json", event) == []
    assert event["data"] == {"user_id": ids["olga"]}
    assert event["aggregate_id"] == ids["olga"]
    assert shared_premises.subscriber.taken.empty()


def test_others_stay_as_they_are(client, erase, ids, desk):
    log_in(client, "bob")
    log_in(client, "bob", "wrong")

    erase(ids["olga"])

    assert count(desk, Delay) == 1
    assert client.get("/api/v1/auth/me").json["username"] == "bob"


@pytest.mark.parametrize("user_id", ["nobody", "0" * 32, "x" * 500])
def test_unknown_user_is_as_good_as_erased(erase, user_id, desk):
    before = count(desk, OutboxEvent)

    assert erase(user_id).status_code == 204
    assert count(desk, OutboxEvent) == before


def test_what_nobody_could_take_of_them_is_erased_too(desk, erase, ids):
    with desk.database.write() as session:
        session.execute(update(OutboxEvent).values(died_at=desk.clock.now()))

    erase(ids["olga"])

    with desk.database.read() as session:
        payloads = session.scalars(select(OutboxEvent.payload)).all()
    assert not any("olga@" in payload for payload in payloads)


def test_last_operator_stays(client, erase, ids):
    answer = erase(ids["admin"])

    assert (answer.status_code, answer.json["code"]) == (409, "last_operator")
    assert log_in(client, "admin", "admin").status_code == 200


@pytest.mark.usefixtures("many_at_once")
def test_of_two_operators_who_leave_at_once_one_stays(desk, erase, ids):
    with desk.database.write() as session:
        admin = session.get(User, ids["admin"])
    with desk.database.write() as session:
        session.execute(delete(User).where(User.id == ids["admin"]))
        session.execute(update(User).values(roles=["operator"]))

    answers = at_once(2, lambda n: erase([ids["olga"], ids["bob"]][n]))

    assert sorted(answer.status_code for answer in answers) == [204, 409]
    with desk.database.write() as session:
        session.execute(delete(User))
        session.merge(admin)


def test_somebody_who_is_erased_while_they_sign_in_does_not_get_in(
    client, desk, erase, ids, monkeypatch
):
    matches = desk.hasher.matches

    def erase_and_match(*arguments, **options):
        erase(ids["olga"])
        return matches(*arguments, **options)

    monkeypatch.setattr(desk.hasher, "matches", erase_and_match)

    assert log_in(client, "olga").status_code == 401


def test_name_of_who_was_erased_is_free(client, erase, ids):
    erase(ids["olga"])
    body = {"username": "olga", "email": "olga@example.com", "password": PASSWORD}

    answer = client.post("/api/v1/auth/register", json=body)

    assert answer.status_code == 201
    assert answer.json["id"] != ids["olga"]


@pytest.mark.parametrize("scope", ["events:write", "operations:write", "users"])
def test_only_with_the_scope(erase, ids, scope):
    assert erase(ids["olga"], scope).status_code == 403


def test_seeded_users_are_told(premises):
    told = {}
    premises.open().extensions["background"][0].wake()
    for _ in range(3):
        event = premises.subscriber.next("user.imported")
        assert faults("user.imported.v1.json", event["data"]) == []
        told[event["data"]["username"]] = event["data"]

    assert told.keys() == {"admin", "alice", "bob"}
    assert told["alice"]["language"] is None
    assert json.dumps(told).count("argon2") == 0
