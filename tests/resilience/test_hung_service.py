"""Let one service hang, and see what becomes of the others."""

import os
import signal
import time

import pytest

from tests.e2e.shopper import Shopper
from tests.resilience.at_once import at_once
from tests.waiting import wait_until

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


def test_who_is_signed_in_goes_on_while_auth_hangs_and_can_log_out_when_it_is_back(open_shop):
    shop = open_shop()
    alice, thief = Shopper(shop.url).sign_in(), Shopper(shop.url)
    thief.session.headers["Authorization"] = f"Bearer {alice.session.cookies['token']}"
    paths = ("/api/v1/cart", "/api/v1/orders", "/products", "/api/v1/accounts/me")
    wait_until(lambda: all(alice.get(path).status_code == 200 for path in paths), 10)
    hung = shop.entry("auth")["pid"]
    os.kill(hung, signal.SIGSTOP)
    seen = []
    try:
        until = time.monotonic() + 12
        while time.monotonic() < until:
            for path in paths:
                began = time.monotonic()
                seen.append((alice.get(path).status_code, time.monotonic() - began))
            time.sleep(0.2)
    finally:
        os.kill(hung, signal.SIGCONT)
    wait_until(lambda: alice.post("/api/v1/auth/logout").status_code == 204, 5)
    began = time.monotonic()

    wait_until(lambda: {thief.get(path).status_code for path in paths} == {401}, 10)

    assert {status for status, _ in seen} == {200}
    assert max(seconds for _, seconds in seen) < 1.5
    assert time.monotonic() - began < 5
