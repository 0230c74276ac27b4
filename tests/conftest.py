"""Open a real shop for the journeys, or take the one that ``SHOP_URL`` names."""

import os
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.running import Shop
from tests.e2e.shopper import Shopper
from tests.security.world import World
from tests.system.whole_shop import whole_shop


@pytest.fixture(scope="session")
def on_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], dict[str, str]]:
    """Return settings for the data of a shop: none for SQLite, which is in its folder."""
    if request.config.getoption("database") != "postgresql":
        return dict
    server = request.getfixturevalue("postgresql")
    return lambda: server.settings(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def running_shop(
    on_server: Callable[[], dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    """Give a shop that all tests share, with its folder and processes."""
    with Shop(tmp_path_factory.mktemp("shop"), **on_server()) as shop:
        yield shop


@pytest.fixture(scope="session")
def shop_url(request: pytest.FixtureRequest) -> str:
    """Give the address of a shop that all journeys share."""
    address = os.environ.get("SHOP_URL")
    return address.rstrip("/") if address else request.getfixturevalue("running_shop").url


@pytest.fixture
def open_shop(on_server, tmp_path) -> Iterator[Callable[..., Shop]]:
    """Open shops of the test's own, which are closed at its end."""
    shops: list[Shop] = []

    def open_one(**environ: str) -> Shop:
        shops.append(Shop(tmp_path, **{**on_server(), **environ}))
        return shops[-1]

    yield open_one
    for shop in shops:
        shop.close()


@pytest.fixture
def visitor(shop_url) -> Shopper:
    return Shopper(shop_url)


@pytest.fixture
def alice(shop_url) -> Shopper:
    return Shopper(shop_url).sign_in("alice")


@pytest.fixture
def bob(shop_url) -> Shopper:
    return Shopper(shop_url).sign_in("bob")


@pytest.fixture
def operator(shop_url) -> Shopper:
    return Shopper(shop_url).sign_in("admin")


@pytest.fixture(scope="session")
def world(
    on_server: Callable[[], dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """Open the whole shop once, in this process, for all matrices that follow the routes."""
    folder, addresses = tmp_path_factory.mktemp("world"), on_server()
    with whole_shop(folder, LOG_LEVEL="ERROR", **addresses) as shop:
        yield World(shop, folder, tuple(addresses.values()))
