"""Set up the products service with a small catalogue."""

import json
from datetime import UTC, datetime

import pytest

from chassis.testing import FakeClock, TokenMint, bearer
from services.products import create_app
from services.products.clients import Clients
from services.products.config import Config
from services.products.models import Base
from services.products.seed import seed_catalogue
from tests.databases import opened

LIFE_SECONDS = 60


def an_item(item_id, **changes):
    """Return an item of a catalogue, in DummyJSON's shape."""
    item = {
        "id": item_id,
        "title": f"Potion {item_id}",
        "brand": "Cauldron & Sons",
        "category": "potions",
        "description": "Tastes of rain.",
        "price": 10.5,
        "stock": 10,
        "thumbnail": f"/static/products/{item_id}.svg",
        "tags": ["mint"],
    }
    return {**item, **changes}


def a_product(**changes):
    """Return what an operator sends for a new product."""
    product = {
        "title": "Small Alembic",
        "brand": "Cauldron & Sons",
        "category": "stills",
        "description": "Copper.",
        "price": {"amount_minor": 4999, "currency": "USD"},
        "stock": 3,
        "tags": ["copper"],
    }
    return {**product, **changes}


@pytest.fixture(scope="module")
def items():
    """Return the catalogue of the first start; a test module may have its own."""
    return [an_item(1), an_item(2, price=7), an_item(3, stock=0)]


@pytest.fixture(scope="session")
def mint():
    return TokenMint()


@pytest.fixture(scope="module")
def database_url(databases, tmp_path_factory):
    with databases.lend("products", tmp_path_factory.mktemp("database")) as url:
        yield url


@pytest.fixture(scope="module")
def config(database_url, tmp_path_factory, items):
    folder = tmp_path_factory.mktemp("shop")
    catalogue = folder / "catalogue.json"
    catalogue.write_text(json.dumps({"products": items, "total": len(items)}))
    environ = {
        "SHOP_DATA_DIR": str(folder / "var"),
        "PRODUCTS_DATABASE_URL": database_url,
        "PRODUCTS_CATALOGUE": str(catalogue),
        "RESERVATION_SECONDS": str(LIFE_SECONDS),
    }
    return Config.from_environ(environ)


@pytest.fixture(scope="module")
def make_app(config, mint):
    """Start the service; each call is one more process on the same database."""
    apps = []

    def make_app(source=None):
        apps.append(create_app(config, clients=Clients(mint, source)))
        # Tests sweep themselves, when their own clock says so.
        for chore in apps[-1].extensions["background"]:
            chore.stop()
        return apps[-1]

    yield make_app
    for app in apps:
        app.extensions["database"].close()


@pytest.fixture(scope="module")
def shared_app(make_app):
    return make_app()


@pytest.fixture
def clock():
    return FakeClock(datetime.now(UTC))


@pytest.fixture
def app(shared_app, config, mint, clock):
    """Return the service as it is after its first start; setting it up takes longer than a test."""
    database = shared_app.extensions["database"]
    with database.write() as session:
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(table.delete())
    seed_catalogue(database, config.catalogue)
    shared_app.extensions.update(clock=clock, clients=Clients(mint, None))
    return shared_app


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture
def customer(mint):
    return bearer(mint.user("alice"))


@pytest.fixture
def operator(mint):
    return bearer(mint.user("olga", roles=("operator",)))


@pytest.fixture
def orders(mint):
    """Return the headers with which the orders service comes."""
    return bearer(mint.service("orders", "reservations:write"))


@pytest.fixture
def stock_of(client):
    """Tell what can be bought now."""
    return lambda product_id: client.get(f"/api/v1/products/{product_id}").get_json()["stock"]


@pytest.fixture(scope="module")
def empty_database(databases, tmp_path_factory):
    folder = tmp_path_factory.mktemp("products")
    with opened(databases, "products", folder, Base.metadata) as database:
        yield database
