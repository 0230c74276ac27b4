"""Kill services at their named points, start the shop again, and see all of it come right.

What the provider's own record holds is the judge: one charge, and no capture without its order.
"""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.e2e.running import Shop
from tests.e2e.shopper import Shopper

pytestmark = pytest.mark.e2e

STOCK = 20
QUANTITY = 2
SETTLED = {"confirmed", "rejected"}
AFTER_PROVIDER = "payments:after_provider_before_record"
AFTER_RECORD = "payments:after_record_before_answer"
AFTER_RESERVE = "products:after_reserve_before_answer"


def wait_for(find: Callable[[], Any], seconds: float = 10.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := find()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return found


def crash_and_restart(open_shop: Callable[..., Shop], point: str, token: str) -> tuple[Shop, Any]:
    """Place an order in a shop that dies at a point; return the shop after a restart without it."""
    shop = open_shop(CRASH_POINT=point, RECONCILE_SECONDS="0.2", RESERVATION_SECONDS="30")
    Shopper(shop.url).sign_in("admin").set_stock(1, STOCK)
    alice = Shopper(shop.url).sign_in()
    service = point.partition(":")[0]
    before = shop.entry(service)["pid"]
    answer = alice.order([(1, QUANTITY)], token=token)
    # A new process in its place shows that the one before came by the point.
    wait_for(lambda: shop.entry(service)["pid"] != before)
    shop.restart(CRASH_POINT="")
    return shop, answer


@pytest.mark.parametrize(
    ("point", "token"),
    [
        # The answer to the authorisation is lost as well, so that it is the capture that dies.
        (AFTER_PROVIDER, "tok_hang_after_charge"),
        (AFTER_RECORD, "tok_ok"),
        (AFTER_RESERVE, "tok_ok"),
    ],
)
def test_order_settles_after_a_crash_and_is_charged_once_at_most(open_shop, point, token):
    shop, answer = crash_and_restart(open_shop, point, token)

    alice, operator = Shopper(shop.url).sign_in(), Shopper(shop.url).sign_in("admin")
    assert answer.status_code in {201, 202, 503}, answer.text
    (order,) = wait_for(lambda: settled(alice))
    path = f"/api/v1/payments/provider/operations?order_id={order['id']}"
    confirmed = order["status"] == "confirmed"

    def record() -> Counter[str]:
        return Counter(op["kind"] for op in operator.get(path).json()["data"])

    expected = (
        {"authorise": 1, "capture": 1}
        if confirmed
        else {"authorise": 1, "void": 1}
        if point != AFTER_RESERVE
        else {}
    )
    wait_for(lambda: record() == expected)
    wait_for(lambda: operator.stock(1) == STOCK - QUANTITY * confirmed)
    assert confirmed or point != AFTER_PROVIDER
    watched = operations(shop, "payments")
    assert (watched["ledger_sum_minor"], watched["unbalanced_postings"]) == (0, [])
    assert watched["pending"]["count"] == watched["authorised"]["count"] == 0
    captured = order["total"]["amount_minor"] if confirmed else 0
    assert sum(b["amount_minor"] for b in watched["ledger"] if b["account"] == "sales") == -captured
    assert operations(shop, "products")["live"]["units"] == 0


def settled(alice: Shopper) -> list[dict[str, Any]]:
    answer = alice.get("/api/v1/orders")
    if answer.status_code != 200:
        return []
    orders = answer.json()["data"]
    return [order for order in orders if order["status"] in SETTLED]


def operations(shop: Shop, service: str) -> dict[str, Any]:
    """Return what an operator watches, asked for as the gateway may."""
    secret = (shop.data / "secrets" / "gateway").read_text().strip()
    credentials = {"client_id": "gateway", "client_secret": secret}
    token = requests.post(
        f"{shop.url_of('auth')}/internal/tokens", json=credentials, timeout=5
    ).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    answer = requests.get(f"{shop.url_of(service)}/internal/operations", headers=headers, timeout=5)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document
