"""Walk through the shop as its customers and operators do."""

import uuid

import pytest

from tests.e2e.shopper import Shopper

pytestmark = pytest.mark.e2e


def test_shopper_signs_in_fills_the_cart_pays_and_finds_the_order(alice, operator):
    operator.set_stock(11, 20)
    alice.put("/api/v1/cart/items/11", json={"quantity": 2})
    cart = alice.get("/api/v1/cart").json()

    placed = alice.order(None)

    order = placed.json()
    assert (placed.status_code, order["status"]) == (201, "confirmed")
    assert order["total"] == cart["total"]
    assert alice.get("/api/v1/cart").json()["items"] == []
    assert order in alice.get("/api/v1/orders").json()["data"]
    assert alice.get(placed.headers["Location"]).json() == order


def test_newcomer_registers_orders_and_comes_back(visitor, shop_url):
    name = f"newcomer-{uuid.uuid4().hex[:12]}"
    person = {"username": name, "password": "twelve quiet owls"}

    registered = visitor.post(
        "/api/v1/auth/register", json={**person, "email": f"{name}@example.com"}
    )

    assert registered.status_code == 201
    order = visitor.order([(12, 1)])
    assert (order.status_code, order.json()["status"]) == (201, "confirmed")
    again = Shopper(shop_url)
    assert again.post("/auth", json=person).status_code == 200
    assert again.get(order.headers["Location"]).json() == order.json()
    taken = again.post("/api/v1/auth/register", json={**person, "email": f"{name}@example.org"})
    assert (taken.status_code, taken.json()["code"]) == (409, "taken")


def test_session_outlives_its_token_and_ends_with_the_log_out(visitor):
    cookies = visitor.sign_in().session.cookies
    # As a browser does when the token's time is over.
    cookies.set("token", None)
    lapsed = visitor.get("/api/v1/cart").status_code

    refreshed = visitor.post("/api/v1/auth/refresh", json={}).status_code

    assert (lapsed, refreshed) == (401, 200)
    assert visitor.get("/api/v1/cart").status_code == 200
    body = {"refresh_token": cookies["refresh"]}
    visitor.post("/api/v1/auth/logout")
    answer = visitor.post("/api/v1/auth/refresh", json=body)
    assert (answer.status_code, answer.json()["code"]) == (401, "session_over")


def test_declined_card_puts_the_stock_back(alice, operator):
    operator.set_stock(12, 5)

    answer = alice.order([(12, 5)], token="tok_declined")

    assert (answer.status_code, answer.json()["code"]) == (402, "payment_declined")
    assert alice.stock(12) == 5


def test_paying_twice_with_one_key_pays_once(alice):
    first = alice.order([(1, 1)], key="journey-one-key")
    again = alice.order([(1, 1)], key="journey-one-key")

    payments = alice.get(f"/api/v1/payments?order_id={first.json()['id']}").json()["data"]
    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert [payment["status"] for payment in payments] == ["captured"]


def test_cancelled_order_gives_money_and_goods_back(alice, operator):
    operator.set_stock(13, 5)
    order = alice.order([(13, 2)]).json()

    cancelled = alice.post(f"/api/v1/orders/{order['id']}/cancel").json()

    payment = alice.get(f"/api/v1/payments/{order['payment_id']}").json()
    assert cancelled["status"] == "cancelled"
    assert payment["refunded"] == payment["captured"] == order["total"]
    assert alice.stock(13) == 5


def test_operator_ships_delivers_and_refunds(alice, operator):
    order = alice.order([(1, 1)]).json()
    path = f"/api/v1/orders/{order['id']}"

    shipped = operator.post(f"{path}/ship").json()["status"]
    delivered = operator.post(f"{path}/deliver").json()["status"]
    refunded = operator.post(f"{path}/refund", json={}, headers={"Idempotency-Key": order["id"]})

    assert (shipped, delivered, refunded.json()["status"]) == ("shipped", "delivered", "refunded")


def test_provider_that_hangs_after_charging_ends_in_one_capture(open_shop):
    shop = open_shop(RECONCILE_SECONDS="0.2")
    alice, operator = Shopper(shop.url).sign_in(), Shopper(shop.url).sign_in("admin")

    accepted = alice.order([(1, 1)], token="tok_hang_after_charge")

    order_id = accepted.json()["id"]
    status = wait_for(lambda: alice.get(f"/api/v1/orders/{order_id}").json()["status"])
    operations = operator.get(f"/api/v1/payments/provider/operations?order_id={order_id}").json()
    kinds = [operation["kind"] for operation in operations["data"]]
    assert accepted.status_code == 202
    assert status == "confirmed"
    assert sorted(kinds) == ["authorise", "capture"]


def test_webhook_that_comes_twice_has_no_effect_on_a_paid_order(running_shop):
    alice, operator = (Shopper(running_shop.url).sign_in(name) for name in ("alice", "admin"))

    order = alice.order([(1, 1)], token="tok_duplicate_webhook").json()

    log = running_shop.data / "log" / "payments.jsonl"
    said = wait_for(lambda: log.read_text().count("event was answered with 200") == 2)
    record = operator.get(f"/api/v1/payments/provider/operations?order_id={order['id']}").json()
    payment = alice.get(f"/api/v1/payments/{order['payment_id']}").json()
    assert said
    assert [operation["kind"] for operation in record["data"]] == ["authorise", "capture"]
    assert (order["status"], payment["captured"]) == ("confirmed", order["total"])


def test_orders_and_sign_ins_survive_a_restart(open_shop):
    shop = open_shop()
    alice = Shopper(shop.url).sign_in()
    order = alice.order([(1, 1)]).json()
    token = alice.session.cookies["token"]

    shop.restart()

    again = Shopper(shop.url)
    answer = again.get("/api/v1/orders", headers={"Authorization": f"Bearer {token}"})
    assert answer.json()["data"] == [order]


def test_killed_service_comes_back_and_the_others_stay(open_shop):
    shop = open_shop()
    alice = Shopper(shop.url).sign_in()

    killed = shop.kill("products")
    others = alice.get("/greet/Alice").status_code
    status = wait_for(lambda: alice.get("/api/v1/products/1").status_code == 200)

    assert others == 200
    assert status
    assert shop.entry("products")["pid"] != killed


def wait_for(find, seconds=10.0):
    """Return what ``find`` returns once that is no pending state."""
    import time  # noqa: PLC0415

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = find()
        if found not in {"payment_pending", "pending", "reserved", False}:
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")
