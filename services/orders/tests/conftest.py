"""Set up the orders service with neighbours that stand in."""

import itertools

import pytest

from chassis.testing import FakeClock, TokenMint, bearer
from services.orders import create_app
from services.orders.clients import Clients
from services.orders.config import Config

from .fakes import FakePayments, FakeProducts, FakeSubscriber

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
def products():
    return FakeProducts()


@pytest.fixture
def payments():
    return FakePayments()


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def subscriber():
    return FakeSubscriber()


@pytest.fixture
def database_url(databases, tmp_path):
    with databases.lend("orders", tmp_path) as url:
        yield url


@pytest.fixture
def app(tmp_path, database_url, mint, products, payments, subscriber):
    environ = {
        "SHOP_DATA_DIR": str(tmp_path),
        "ORDERS_DATABASE_URL": database_url,
        "RECONCILE_SECONDS": "3600",
        "RELAY_SECONDS": "3600",
    }
    clients = Clients(key_set=mint, products=products, payments=payments, subscriber=subscriber)
    app = create_app(Config.from_environ(environ), clients=clients)
    yield app
    for chore in app.extensions["background"]:
        chore.stop()
    app.extensions["shop"].database.close()


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture
def alice(mint):
    return bearer(mint.user("alice"))


@pytest.fixture
def bob(mint):
    return bearer(mint.user("bob"))


@pytest.fixture
def operator(mint):
    return bearer(mint.user("olga", roles=("operator",)))


@pytest.fixture
def place(client, alice):
    """Place an order with defaults that can be changed."""
    keys = itertools.count()

    def place(items=((1, 1),), *, token="tok_ok", key=None, headers=alice, **changes):
        body = {"payment": {"token": token}, "shipping_address": ADDRESS, **changes}
        if items is not None:
            body["items"] = [{"product_id": item, "quantity": count} for item, count in items]
        key = f"key-{next(keys)}" if key is None else key
        sent = {**headers, "Idempotency-Key": key}
        return client.post("/api/v1/orders", json=body, headers=sent)

    return place
