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
KINDS_OF = {
    "confirmed": ({"authorise": 1, "capture": 1},),
    "rejected": ({"authorise": 1, "void": 1}, {"void": 1}, {}),
}
"""What the record may hold of an order: it is charged once at most, and never for nothing."""


def happens(find: Callable[[], Any], seconds: float = 10.0) -> Any:
    """Return what is found, or the last thing that was not what is looked for."""
    deadline = time.monotonic() + seconds
    while not (found := find()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def order_until_it_dies(shop: Shop, service: str, token: str) -> list[int]:
    """Place orders until one has come by the crash point; return the answers' statuses."""
    alice, died = Shopper(shop.url).sign_in(), shop.entry(service)["pid"]
    statuses = []
    # On a machine that is busy an order may be refused before it gets there.
    for _ in range(5):
        statuses.append(alice.order([(1, QUANTITY)], token=token).status_code)
        if happens(lambda: shop.entry(service)["pid"] != died, 2):
            return statuses
    raise AssertionError(shop.output.read_text())


@pytest.mark.long
@pytest.mark.parametrize(
    ("point", "token"),
    [
        # The answer to the authorisation is lost as well, so that it is the capture that dies.
        ("payments:after_provider_before_record", "tok_hang_after_charge"),
        ("payments:after_record_before_answer", "tok_ok"),
        ("products:after_reserve_before_answer", "tok_ok"),
    ],
)
def test_orders_settle_after_a_crash_and_are_charged_once_at_most(open_shop, point, token):
    shop = open_shop(CRASH_POINT=point, RECONCILE_SECONDS="0.2", RESERVATION_SECONDS="30")
    Shopper(shop.url).sign_in("admin").set_stock(1, STOCK)
    statuses = order_until_it_dies(shop, point.partition(":")[0], token)

    shop.restart(CRASH_POINT="")

    alice, operator = Shopper(shop.url).sign_in(), Shopper(shop.url).sign_in("admin")
    orders = happens(lambda: settled(alice))
    confirmed = [order for order in orders if order["status"] == "confirmed"]
    assert set(statuses) <= {201, 202, 503}
    assert len(confirmed) >= len(statuses) - statuses.count(503)
    for order in orders:
        assert happens(lambda order=order: recorded(operator, order) in KINDS_OF[order["status"]])
    assert happens(lambda: operator.stock(1) == STOCK - QUANTITY * len(confirmed))
    payments, products = operations(shop, "payments"), operations(shop, "products")
    assert (payments["ledger_sum_minor"], payments["unbalanced_postings"]) == (0, [])
    assert payments["pending"]["count"] == payments["authorised"]["count"] == 0
    sales = [entry["amount_minor"] for entry in payments["ledger"] if entry["account"] == "sales"]
    assert sum(sales) == -sum(order["total"]["amount_minor"] for order in confirmed)
    assert products["live"]["units"] == 0


def settled(alice: Shopper) -> list[dict[str, Any]]:
    """Return all orders once none of them is under way."""
    answer = alice.get("/api/v1/orders")
    orders: list[dict[str, Any]] = answer.json()["data"] if answer.status_code == 200 else []
    return orders if all(order["status"] in KINDS_OF for order in orders) else []


def recorded(operator: Shopper, order: dict[str, Any]) -> Counter[str]:
    """Return how often the provider has done what for an order."""
    path = f"/api/v1/payments/provider/operations?order_id={order['id']}"
    return Counter(operation["kind"] for operation in operator.get(path).json()["data"])


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
