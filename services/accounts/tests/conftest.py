"""Set up the accounts service with neighbours that stand in, and people who look."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chassis.testing import FakeClock, TokenMint, bearer
from services.accounts import create_app
from services.accounts.clients import Clients
from services.accounts.config import Config

from .fakes import FakeSubscriber, FakeUsers

ADDRESS = {
    "name": "Alice",
    "line1": "1 Cauldron Lane",
    "city": "Prague",
    "postal_code": "11000",
    "country": "CZ",
}


@pytest.fixture(scope="session")
def mint():
    return TokenMint()


@pytest.fixture
def clock():
    # Tokens are checked against the same clock, and they are minted soon.
    return FakeClock(datetime.now(UTC) + timedelta(minutes=1))


@pytest.fixture
def users():
    return FakeUsers(last_operator="olga")


@pytest.fixture
def subscriber():
    return FakeSubscriber()


@pytest.fixture
def database_url(databases, tmp_path):
    with databases.lend("accounts", tmp_path) as url:
        yield url


@pytest.fixture
def app(tmp_path, database_url, mint, clock, users, subscriber):
    environ = {
        "SHOP_DATA_DIR": str(tmp_path),
        "ACCOUNTS_DATABASE_URL": database_url,
        "RELAY_SECONDS": "3600",
    }
    clients = Clients(key_set=mint, users=users, subscriber=subscriber)
    app = create_app(Config.from_environ(environ), clients=clients, clock=clock)
    yield app
    for chore in app.extensions["background"]:
        chore.stop()
    app.extensions["directory"].database.close()


@pytest.fixture
def directory(app):
    return app.extensions["directory"]


@pytest.fixture
def sleep_by(app, directory):
    """Have the service sleep in another way."""

    def sleep_by(sleep):
        app.extensions["directory"] = replace(directory, sleep=sleep)

    return sleep_by


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture
def alice(mint):
    return bearer(mint.user("alice"))


@pytest.fixture
def operator(mint):
    return bearer(mint.user("olga", roles=("operator",)))


@pytest.fixture
def tell(client, mint, clock):
    """Tell the service of a user, as auth does."""
    headers = bearer(mint.service("auth", "events:write"))
    numbers = itertools.count()

    def tell(kind, user_id, *, event_id=None, **data):
        envelope = {
            "id": event_id or f"event-{next(numbers)}",
            "type": kind,
            "version": 1,
            "aggregate_id": user_id,
            "occurred_at": clock.now().isoformat(),
            "request_id": None,
            "data": {"user_id": user_id, **data},
        }
        return client.post("/internal/events", json=envelope, headers=headers)

    return tell


@pytest.fixture
def register(tell):
    """Have somebody register, with defaults that can be changed."""

    def register(user_id="alice", *, kind="user.registered", event_id=None, **changes):
        data = {"username": user_id, "email": f"{user_id}@example.com", "language": None}
        answer = tell(kind, user_id, event_id=event_id, **{**data, **changes})
        assert answer.status_code == 204, answer.text

    return register


@pytest.fixture
def change(client, mint):
    """Change an account, as its owner."""

    def change(user_id="alice", **changes):
        headers = bearer(mint.user(user_id))
        return client.patch("/api/v1/accounts/me", json=changes, headers=headers)

    return change


@pytest.fixture
def find(client, operator):
    """Look for accounts as an operator."""

    def find(criterion, value, headers=operator, **query):
        path = f"/api/v1/accounts/{criterion}/{value}"
        return client.get(path, headers=headers, query_string=query)

    return find
