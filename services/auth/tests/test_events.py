"""Tell accounts who came and who went, over HTTP, with a token of this service's own."""

from importlib.resources import files
from pathlib import Path

import pytest
from flask import Flask, request
from sqlalchemy import select

from chassis.inbound.tokens import TokenVerifier
from messaging.outbox import Relay
from services.auth.clients import connect
from services.auth.config import Config
from services.auth.models import OutboxEvent
from services.auth.tokens import own_tokens
from storage.database import Database
from storage.schema import migrate
from tests.contract.event_schemas import faults
from tests.system.wsgi_adapter import WSGIAdapter

MIGRATIONS = Path(str(files("services.auth"))) / "migrations"
USER = """INSERT INTO users VALUES ('id-{0}', 'Name{0}', 'name{0}', {1}, {2}, '["customer"]', 'x',
    {3}, '2030-01-01 00:00:0{0}.000000')"""


@pytest.fixture
def accounts():
    """Play accounts: keep what comes, and the header that says who brings it."""
    accounts = Flask("accounts")
    accounts.taken = []

    @accounts.post("/internal/events")
    def take():
        accounts.taken.append((request.headers["Authorization"], request.get_json()))
        return "", 204

    return accounts


@pytest.fixture
def relay(app, accounts, clock):
    """Return the relay of the service, which reaches accounts without a network."""
    desk = app.extensions["desk"]
    config = Config.from_environ({})
    adapter = WSGIAdapter({"127.0.0.1:8002": accounts})
    clients = connect(config, own_tokens(desk.issuer, "auth", clock), clock, adapter)
    return Relay(desk.database, OutboxEvent, clients.subscriber, clock)


@pytest.mark.usefixtures("cheap_passwords", "quiet")
def test_accounts_hears_of_a_newcomer_from_a_service_that_may_tell(
    app, client, accounts, relay, clock
):
    newcomer = {"username": "told-1", "email": "t1@example.com", "password": "twelve quiet owls"}
    app.extensions["background"][0].stop()
    user_id = client.post("/api/v1/auth/register", json=newcomer).json["id"]

    relay.turn()

    ((header, envelope),) = accounts.taken
    assert envelope["data"]["user_id"] == user_id
    desk = app.extensions["desk"]
    verifier = TokenVerifier(desk.key_ring, issuer="potion-shop", audience="shop", clock=clock)
    principal = verifier.verify(header.removeprefix("Bearer "))
    assert principal.subject == "service:auth"
    assert set(principal.scopes) == {"events:write"}


def go(database, revision):
    with database.change_schema() as connection:
        migrate(connection, MIGRATIONS, revision)


@pytest.fixture
def old_database(databases, tmp_path):
    """Give a database as the release before left it, with two users."""
    database = Database(databases.create("auth", tmp_path))
    go(database, "auth_0002")
    false = "false" if databases.kind == "postgresql" else "0"
    with database.write() as session:
        connection = session.connection()
        connection.exec_driver_sql(USER.format(2, "NULL", "NULL", false))
        connection.exec_driver_sql(USER.format(1, "'a@b.c'", "'a@b.c'", false))
    yield database
    database.close()


def test_users_of_an_earlier_release_are_told(old_database, accounts, relay):
    go(old_database, "head")

    with old_database.read() as session:
        stored = session.scalars(select(OutboxEvent).order_by(OutboxEvent.sequence)).all()
    assert [event.aggregate_id for event in stored] == ["id-1", "id-2"]
    told = Relay(old_database, OutboxEvent, relay.transport, relay.clock)
    told.turn()
    envelopes = sorted((taken for _, taken in accounts.taken), key=lambda taken: taken["id"])
    assert {each["type"] for each in envelopes} == {"user.imported"}
    for envelope in envelopes:
        assert faults("envelope.v1.json", envelope) == []
        assert faults("user.imported.v1.json", envelope["data"]) == []
    named = {each["data"]["username"]: each["data"]["email"] for each in envelopes}
    assert named == {"Name1": "a@b.c", "Name2": None}
    with old_database.read() as session:
        assert session.scalars(select(OutboxEvent)).all() == []
