"""Hold what a key remembers, a lost answer and a moving price against the contract (51, 53, 58)."""

import time
import uuid

import pytest

from tests.e2e.shopper import Shopper
from tests.resilience.buyers import Wish
from tests.resilience.records import read_records

pytestmark = pytest.mark.e2e

DECIDED_SECONDS = 20.0
ELIXIR = {
    "title": "Elixir of changing worth",
    "brand": "Still",
    "category": "elixirs",
    "description": "Costs more tomorrow.",
    "price": {"amount_minor": 500, "currency": "USD"},
    "stock": 10,
}


@pytest.fixture
def buyer(shared_proof):
    return shared_proof.buyers(1)[0]


@pytest.fixture
def key():
    return uuid.uuid4().hex


def test_body_that_is_not_valid_does_not_use_the_key_up(buyer, key):
    refused = buyer.order(Wish(key, [(1, 0)]))
    corrected = buyer.order(Wish(key, [(1, 1)]))

    assert (refused.status, corrected.status) == (422, 201)


def test_decline_is_remembered_for_its_key_only(buyer, key):
    first, again = (buyer.order(Wish(key, [(1, 1)], "tok_declined")) for _ in range(2))
    other_key = buyer.order(Wish(f"{key}-2", [(1, 1)]))

    assert (first.status, again.status, other_key.status) == (402, 402, 201)
    assert again.body == first.body


def test_charge_whose_answer_was_lost_is_found_and_taken_once(shared_proof, buyer, key):
    wish = Wish(key, [(1, 1)], "tok_hang_after_charge")
    accepted = buyer.insist(wish)

    deadline = time.monotonic() + DECIDED_SECONDS
    while (replayed := buyer.insist(wish)).status == 202 and time.monotonic() < deadline:
        time.sleep(0.05)

    till = read_records(shared_proof.addresses).provider[accepted.order_id]
    assert (replayed.status, replayed.order_id) == (201, accepted.order_id)
    assert till.captures == [replayed.body["total"]["amount_minor"]]


def test_nobody_pays_another_price_than_the_cart_showed(shared_proof, buyer):
    operator = Shopper(shared_proof.shop.url).sign_in("admin")
    elixir = operator.post("/api/v1/products", json=ELIXIR).json()["id"]
    shopper = Shopper(shared_proof.shop.url).sign_in("bob")
    shopper.put(f"/api/v1/cart/items/{elixir}", json={"quantity": 2})
    dearer = {"price": {"amount_minor": 700, "currency": "USD"}}
    assert operator.call("PATCH", f"/api/v1/products/{elixir}", json=dearer).status_code == 200

    refused = shopper.order(None)
    shown = shopper.get("/api/v1/cart").json()["total"]
    placed = shopper.order(None)

    till = read_records(shared_proof.addresses).provider[placed.json()["id"]]
    assert (refused.status_code, refused.json()["code"]) == (409, "price_changed")
    assert refused.json()["total"] == shown == placed.json()["total"]
    assert till.captures == [shown["amount_minor"]] == [1400]
