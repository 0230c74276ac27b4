"""Walk through the whole shop in one process, without sockets."""

import pytest

from chassis.testing import bearer
from tests.e2e.shopper import ADDRESS


@pytest.fixture
def sign_in(shop):
    def sign_in(username):
        credentials = {"username": username, "password": username}
        answer = shop.client("auth").post("/api/v1/auth/login", json=credentials)
        return bearer(answer.get_json()["access_token"])

    return sign_in


@pytest.fixture
def place(shop, sign_in):
    alice = sign_in("alice")

    def place(token="tok_ok", product_id=1, quantity=2):
        body = {
            "items": [{"product_id": product_id, "quantity": quantity}],
            "payment": {"token": token},
            "shipping_address": ADDRESS,
        }
        headers = {**alice, "Idempotency-Key": f"{token}-{product_id}-{quantity}"}
        return shop.client("orders").post("/api/v1/orders", json=body, headers=headers)

    return place


def stock(shop, product_id):
    return shop.client("products").get(f"/api/v1/products/{product_id}").get_json()["stock"]


def test_order_goes_through_all_services(shop, place, sign_in):
    before = stock(shop, 1)

    order = place().get_json()

    payment = shop.client("payments").get(
        f"/api/v1/payments/{order['payment_id']}", headers=sign_in("alice")
    )
    assert order["status"] == "confirmed"
    assert stock(shop, 1) == before - 2
    assert payment.get_json()["captured"] == order["total"]


@pytest.mark.parametrize(
    ("token", "status", "code"),
    [
        ("tok_declined", 402, "payment_declined"),
        ("tok_insufficient_funds", 402, "insufficient_funds"),
        ("tok_nonsense", 422, "unknown_card_token"),
    ],
)
def test_refused_card_returns_the_stock(shop, place, token, status, code):
    before = stock(shop, 1)

    answer = place(token)

    assert (answer.status_code, answer.get_json()["code"]) == (status, code)
    assert stock(shop, 1) == before


def test_more_than_there_is_can_not_be_bought(place):
    answer = place(quantity=999)

    assert (answer.status_code, answer.get_json()["code"]) == (409, "out_of_stock")
    assert answer.get_json()["items"][0]["product_id"] == 1


def test_somebody_elses_payment_is_not_there(shop, place, sign_in):
    order = place().get_json()
    payments = shop.client("payments")

    theirs = payments.get(f"/api/v1/payments/{order['payment_id']}", headers=sign_in("bob"))
    random = payments.get("/api/v1/payments/pay_nothing", headers=sign_in("bob"))

    assert theirs.status_code == random.status_code == 404
    assert theirs.get_json()["detail"] == random.get_json()["detail"]


def test_people_can_not_do_what_services_do(shop, sign_in):
    body = {"reservation_id": "x", "items": [{"product_id": 1, "quantity": 1}]}

    answer = shop.client("products").post(
        "/internal/reservations", json=body, headers=sign_in("admin")
    )

    assert answer.status_code == 403
