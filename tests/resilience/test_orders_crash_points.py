"""Let orders die at each named point, and see that every order comes to its end once."""

from contextlib import closing

import pytest
from sqlalchemy import update

from services.orders.models import Order, OutboxEvent
from storage.database import Database
from tests.e2e.shopper import Shopper
from tests.resilience.subscriber import Subscriber
from tests.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

# The relay's comes first, while there is no other event over which it could die.
POINTS = (
    "relay:after_deliver_before_mark",
    "orders:before_commit",
    "orders:after_commit_before_reserve",
    "orders:after_reserve_before_record",
    "orders:after_charge_before_record",
    "orders:after_confirm_before_publish",
)
# Nothing is mended before the last start, so that each process dies over its own order.
NEVER = {"RECONCILE_SECONDS": "3600", "RELAY_SECONDS": "3600"}
OFTEN = {"RECONCILE_SECONDS": "0.2", "RELAY_SECONDS": "0.2"}
PRODUCT = 20


@pytest.fixture
def subscriber(tmp_path):
    with Subscriber(tmp_path) as subscriber:
        yield subscriber


def let_leases_end(shop):
    """Do what ten or fifteen seconds would do: free what a dead process has worked on."""
    database = Database(shop.database_url("orders"))
    with closing(database), database.write() as session:
        session.execute(update(Order).where(Order.unsettled).values(claimed_until=Order.created_at))
        session.execute(update(OutboxEvent).values(next_attempt_at=OutboxEvent.created_at))


def captures(operator, order_id):
    path = f"/api/v1/payments/provider/operations?order_id={order_id}"
    return [o["kind"] for o in operator.get(path).json()["data"]].count("capture")


def orders_of(buyer):
    return buyer.get("/api/v1/orders?limit=100").json()["data"]


# Seven starts of the whole shop take ten seconds, but longer on a busy machine.
@pytest.mark.long
@pytest.mark.timeout(180)
def test_order_is_settled_once_wherever_the_process_died(open_shop, subscriber):
    shop = open_shop(NOTIFICATIONS_URL=subscriber.url, CRASH_POINT=POINTS[0], **NEVER)
    before = Shopper(shop.url).stock(PRODUCT)
    for point in POINTS:
        if point != POINTS[0]:
            shop.restart(CRASH_POINT=point)
        pid = shop.entry("orders")["pid"]
        answer = Shopper(shop.url).sign_in().order([(PRODUCT, 1)], key=point)
        # The relay dies after the answer has gone, all others before.
        assert (answer.status_code == 201) is point.startswith("relay"), answer.text
        wait_until(lambda pid=pid: shop.entry("orders")["pid"] != pid)
    shop.restart(CRASH_POINT="", **OFTEN)
    let_leases_end(shop)
    alice, operator = Shopper(shop.url).sign_in(), Shopper(shop.url).sign_in("admin")

    # Without any new request: all but the one that never was are finished, and told.
    wait_until(lambda: len(subscriber.effects) == len(POINTS) - 1, 30)
    repeated = {point: alice.order([(PRODUCT, 1)], key=point) for point in POINTS}
    wait_until(lambda: len(subscriber.effects) == len(POINTS))

    assert {answer.status_code for answer in repeated.values()} == {201}
    ids = {answer.json()["id"] for answer in repeated.values()}
    assert len(ids) == len(POINTS)
    assert {order["id"]: order["status"] for order in orders_of(alice)} == dict.fromkeys(
        ids, "confirmed"
    )
    assert [captures(operator, order_id) for order_id in ids] == [1] * len(ids)
    assert [subscriber.told_of(order_id) for order_id in ids] == [["order.confirmed"]] * len(ids)
    assert alice.stock(PRODUCT) == before - len(POINTS)
