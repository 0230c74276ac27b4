"""Show how the service starts: settings, the first catalogue, and what stops it."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from chassis.config import ConfigError
from services.products import create_app
from services.products.clients import Clients, HTTPCatalogueSource, connect
from services.products.config import BUNDLED_CATALOGUE, Config
from services.products.seed import read_catalogue_file

from .conftest import a_product, an_item


@pytest.fixture
def start(tmp_path, databases, mint):
    """Start the service on a database of its own, with a catalogue or the bundled one."""
    apps = []
    lending = databases.lend("products", tmp_path)
    url = lending.__enter__()

    def start(catalogue=None):
        environ = {"SHOP_DATA_DIR": str(tmp_path / "var"), "PRODUCTS_DATABASE_URL": url}
        if catalogue:
            environ["PRODUCTS_CATALOGUE"] = str(catalogue)
        apps.append(create_app(Config.from_environ(environ), clients=Clients(mint, None)))
        return apps[-1].test_client()

    yield start
    for app in apps:
        for chore in app.extensions["background"]:
            chore.stop()
        app.extensions["database"].close()
    lending.__exit__(None, None, None)


@pytest.fixture
def catalogue_of(tmp_path):
    """Write a catalogue and return its path."""

    def catalogue_of(*items, text=None):
        path = tmp_path / "catalogue.json"
        path.write_text(text or json.dumps({"products": items, "total": len(items)}))
        return path

    return catalogue_of


def test_first_start_brings_the_bundled_catalogue(start):
    client = start()

    first = client.get("/api/v1/products/1").get_json()
    counts = [c["count"] for c in client.get("/api/v1/products/categories").get_json()["data"]]
    assert first["title"] == json.loads(BUNDLED_CATALOGUE.read_text())["products"][0]["title"]
    assert sum(counts) >= 100


def test_bundled_catalogue_has_a_price_and_a_picture_for_everything():
    items = read_catalogue_file(BUNDLED_CATALOGUE)

    assert len({item.id for item in items}) == len({item.values["title"] for item in items})
    assert all(item.values["price"].amount_minor > 0 for item in items)
    assert all(item.values["thumbnail"] for item in items)


def test_later_start_keeps_what_was_changed(start, catalogue_of, operator):
    first = start(catalogue_of(an_item(1)))
    first.put("/api/v1/products/1/stock", json={"stock": 3}, headers=operator)

    again = start(catalogue_of(an_item(1), an_item(2)))

    products = again.get("/api/v1/products").get_json()["data"]
    assert [(product["id"], product["stock"]) for product in products] == [(1, 3)]


@pytest.mark.usefixtures("many_at_once")
def test_processes_that_start_at_once_store_the_catalogue_once(start, catalogue_of):
    catalogue = catalogue_of(*(an_item(number) for number in range(1, 51)))

    with ThreadPoolExecutor(4) as pool:
        clients = list(pool.map(start, [catalogue] * 4))

    totals = [
        len(client.get("/api/v1/products?limit=100").get_json()["data"]) for client in clients
    ]
    assert totals == [50] * 4


@pytest.mark.parametrize(
    ("items", "text"),
    [
        *(((), bad) for bad in (" ", "[]", "[" * 100_000, '{"products": []}')),
        ((an_item(1, price=-1),), None),
        ((an_item(1), {"id": 2}), None),
    ],
)
def test_catalogue_that_can_not_be_used_stops_the_start(start, catalogue_of, items, text):
    with pytest.raises(ConfigError, match=r"PRODUCTS_CATALOGUE: .*catalogue\.json"):
        start(catalogue_of(*items, text=text))


def test_missing_catalogue_stops_the_start(start):
    with pytest.raises(ConfigError, match="PRODUCTS_CATALOGUE"):
        start("nowhere.json")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        *(("RESERVATION_SECONDS", bad) for bad in ("0", "-1", "x", "inf", "nan")),
        *(("PRODUCTS_SOURCE_URL", bad) for bad in ("x", "ftp://a/b", "http://", "file:///etc")),
        *(("PRODUCTS_SOURCE_URL", bad) for bad in ("http://a/b?c", "http://a/../b", "http://u@a/")),
    ],
)
def test_setting_that_can_not_be_used_is_named(variable, value):
    with pytest.raises(ConfigError, match=variable):
        Config.from_environ({variable: value})


def test_service_imports_from_the_source_that_is_set():
    without = connect(Config.from_environ({}))
    with_source = connect(Config.from_environ({"PRODUCTS_SOURCE_URL": "http://127.0.0.1:9/x"}))

    assert without.source is None
    assert isinstance(with_source.source, HTTPCatalogueSource)


def test_service_is_ready_with_its_database(client):
    assert client.get("/readyz").status_code == 200


def test_new_product_gets_an_id_above_those_of_the_first_catalogue(start, catalogue_of, operator):
    client = start(catalogue_of(an_item(1), an_item(7)))

    made = client.post("/api/v1/products", json=a_product(), headers=operator)

    assert (made.status_code, made.get_json()["id"]) == (201, 8)
