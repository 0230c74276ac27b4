"""Let one service hang, and see what becomes of the others."""

import os
import signal

import pytest

from tests.e2e.shopper import Shopper
from tests.resilience.at_once import at_once

pytestmark = [pytest.mark.e2e, pytest.mark.services]


def test_cart_is_shown_and_orders_stay_open_while_products_hangs(open_shop):
    shop = open_shop()
    alice = Shopper(shop.url).sign_in()
    alice.put("/api/v1/cart/items/1", json={"quantity": 2})
    buyers = [Shopper(shop.url) for _ in range(6)]
    for buyer in buyers:
        buyer.session.headers["Authorization"] = f"Bearer {alice.session.cookies['token']}"
    hung = shop.entry("products")["pid"]
    os.kill(hung, signal.SIGSTOP)
    try:
        carts = at_once(6, lambda number: buyers[number].get("/api/v1/cart"))
        orders = alice.get("/api/v1/orders").status_code
    finally:
        os.kill(hung, signal.SIGCONT)

    assert {cart.status_code for cart in carts} == {200}
    assert {cart.json()["items"][0]["available"] for cart in carts} == {None}
    assert orders == 200
