"""Set up the notifications service with neighbours that stand in."""

from datetime import UTC, datetime

import pytest

from chassis.testing import FakeClock, TokenMint, bearer
from services.notifications import create_app, service
from services.notifications.clients import Clients
from services.notifications.config import Config

from .fakes import FakeAccounts, FakePost


@pytest.fixture(scope="session")
def mint():
    return TokenMint()


@pytest.fixture
def accounts():
    accounts = FakeAccounts()
    accounts.open("user-1", "alice@example.org", "Alice", "en")
    return accounts


@pytest.fixture
def post():
    return FakePost()


@pytest.fixture
def clock():
    # Tokens are checked against the same clock, and they are minted now.
    return FakeClock(datetime.now(UTC))


@pytest.fixture
def database_url(databases, tmp_path):
    with databases.lend("notifications", tmp_path) as url:
        yield url


@pytest.fixture
def app(tmp_path, database_url, mint, accounts, post, clock, monkeypatch):
    monkeypatch.setattr(service, "_post", lambda _config: post)
    environ = {
        "SHOP_DATA_DIR": str(tmp_path),
        "NOTIFICATIONS_DATABASE_URL": database_url,
        "RELAY_SECONDS": "3600",
    }
    clients = Clients(key_set=mint, accounts=accounts)
    app = create_app(Config.from_environ(environ), clients=clients, clock=clock)
    # The tests have the turns themselves.
    for chore in app.extensions["background"]:
        chore.stop()
    yield app
    app.extensions["consumer"].database.close()


@pytest.fixture
def office(app):
    return app.extensions["consumer"]


@pytest.fixture
def tell(app, mint):
    """Post an event as its publisher does; return the status."""
    client, headers = app.test_client(), bearer(mint.service("orders", "events:write"))

    def tell(envelope):
        answer = client.post("/internal/events", json=envelope, headers=headers)
        return answer.status_code

    return tell


@pytest.fixture
def look(app, mint):
    client, headers = app.test_client(), bearer(mint.service("gateway", "operations:read"))
    return lambda: client.get("/internal/operations", headers=headers).get_json()


@pytest.fixture
def retry(app, mint):
    client, headers = app.test_client(), bearer(mint.service("gateway", "operations:write"))
    return lambda letter: (
        client.post(f"/internal/dead-letters/{letter}/retry", headers=headers).status_code
    )
