"""Set up the payments service, the orders that call it, and people who look."""

from datetime import UTC, datetime

import pytest

from chassis.testing import FakeClock, TokenMint, bearer
from services.payments import create_app
from services.payments.clients import Clients
from services.payments.config import Config
from services.payments.stand_in import StandInProvider
from storage.database import Database

from .fakes import FakePaymentProvider, OrdersService

TIMEOUT_SECONDS = 0.4
SETTLE_SECONDS = 5


@pytest.fixture(scope="session")
def mint():
    return TokenMint()


@pytest.fixture
def clock():
    # Tokens are checked against the same clock, and they are minted now.
    return FakeClock(datetime.now(UTC))


@pytest.fixture
def waits():
    """Collect the seconds that callers have waited for cards that hang."""
    return []


@pytest.fixture
def database_url(databases, tmp_path):
    with databases.lend("payments", tmp_path) as url:
        yield url


@pytest.fixture
def provider_database_url(databases, tmp_path):
    with databases.lend("provider", tmp_path) as url:
        yield url


@pytest.fixture
def stand_in(provider_database_url, clock, waits):
    database = Database(provider_database_url, durable=True)
    yield StandInProvider(database, clock, timeout_seconds=TIMEOUT_SECONDS, wait=waits.append)
    database.close()


@pytest.fixture
def fake(clock):
    return FakePaymentProvider(clock)


@pytest.fixture
def provider(stand_in):
    """Name the provider that the application uses; a test file may put another one here."""
    return stand_in


@pytest.fixture
def app(tmp_path, database_url, mint, clock, provider):
    environ = {
        "SHOP_DATA_DIR": str(tmp_path),
        "PAYMENTS_DATABASE_URL": database_url,
        "IDEMPOTENCY_SECONDS": "60",
        "RECONCILE_SECONDS": str(SETTLE_SECONDS),
    }
    config = Config.from_environ(environ)
    app = create_app(config, clients=Clients(key_set=mint, provider=provider), clock=clock)
    # Tests do the chore themselves, when their own clock says so.
    for chore in app.extensions["background"]:
        chore.stop()
    yield app
    app.extensions["till"].database.close()


@pytest.fixture
def till(app):
    return app.extensions["till"]


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture
def orders(app, mint):
    return OrdersService(app, bearer(mint.service("orders", "payments:write")))


@pytest.fixture
def alice(mint):
    return bearer(mint.user("alice"))


@pytest.fixture
def bob(mint):
    return bearer(mint.user("bob"))


@pytest.fixture
def operator(mint):
    return bearer(mint.user("olga", roles=("operator",)))
