"""Run the whole shop on PostgreSQL, and more than one copy of a service on one database."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.databases import rows_of
from tests.e2e.running import Shop
from tests.e2e.shopper import Shopper

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def settings(postgresql, tmp_path_factory):
    return postgresql.settings(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def shop(settings, tmp_path_factory):
    with Shop(tmp_path_factory.mktemp("shop"), **settings) as shop:
        yield shop


@pytest.mark.services
def test_shop_keeps_everything_in_postgresql_and_finds_it_after_a_restart(shop, settings):
    alice, operator = Shopper(shop.url).sign_in(), Shopper(shop.url).sign_in("admin")
    operator.set_stock(11, 20)
    alice.put("/api/v1/cart/items/11", json={"quantity": 2})
    placed = alice.order(None)

    shop.restart()

    alice = Shopper(shop.url).sign_in()
    assert placed.status_code == 201
    assert alice.get(placed.headers["Location"]).json() == placed.json()
    assert alice.stock(11) == 18
    assert not list(shop.data.glob("*.sqlite3"))
    assert all(rows_of(address) for address in settings.values())


@pytest.mark.long
def test_two_copies_of_orders_share_a_database_and_sell_nothing_twice(shop):
    alice, operator = Shopper(shop.url).sign_in(), Shopper(shop.url).sign_in("admin")
    operator.set_stock(14, 20)

    with shop.second("orders", "auth", "products", "payments") as second:
        copies = [Shopper(shop.url_of("orders")), Shopper(second)]
        for copy in copies:
            copy.session.headers["Authorization"] = f"Bearer {alice.session.cookies['token']}"
        with ThreadPoolExecutor(12) as pool:
            # Each key comes twice at the same time, once to each copy.
            pairs = [(copy, f"copies-{number}") for number in range(30) for copy in copies]
            answers = list(pool.map(lambda pair: pair[0].order([(14, 1)], key=pair[1]), pairs))

    statuses = Counter(answer.status_code for answer in answers)
    placed = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    codes = {answer.json()["code"] for answer in answers if answer.status_code == 409}
    assert set(statuses) == {201, 409}
    assert codes <= {"out_of_stock", "in_progress"}
    assert (len(placed), alice.stock(14)) == (20, 0)


@pytest.mark.long
def test_one_cart_that_is_ordered_at_two_copies_is_ordered_once(shop):
    alice, operator = Shopper(shop.url).sign_in(), Shopper(shop.url).sign_in("admin")
    operator.set_stock(15, 500)

    with shop.second("orders", "auth", "products", "payments") as second:
        copies = [Shopper(shop.url_of("orders")), Shopper(second)]
        for copy in copies:
            copy.session.headers["Authorization"] = f"Bearer {alice.session.cookies['token']}"
        for _ in range(5):
            before = alice.stock(15)
            alice.put("/api/v1/cart/items/15", json={"quantity": 1})
            with ThreadPoolExecutor(8) as pool:
                answers = list(pool.map(lambda copy: copy.order(None), copies * 4))

            statuses = [answer.status_code for answer in answers]
            assert statuses.count(201) == 1, statuses
            assert set(statuses) <= {201, 409, 422}
            assert alice.stock(15) == before - 1
