"""Hold placing orders against the contract."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from chassis.errors import NotAsked, Unavailable
from services.orders import reconciler, saga
from services.orders.models import Order

from .conftest import ADDRESS


def test_order_is_confirmed_when_stock_and_card_allow_it(place, products, payments):
    answer = place([(1, 2), (2, 3)])

    order = answer.get_json()
    assert answer.status_code == 201
    assert order["status"] == "confirmed"
    assert order["total"] == {"amount_minor": 2 * 1999 + 3 * 10, "currency": "USD"}
    assert answer.headers["Location"] == f"/api/v1/orders/{order['id']}"


def test_confirmed_order_takes_the_goods_and_the_money_once(place, products, payments):
    order = place([(1, 2)]).get_json()

    payment = payments.by_order[order["id"]]
    assert products.stock(1) == 8
    assert (payment.status, payment.captured.amount_minor) == ("captured", 3998)


def test_declined_card_rejects_the_order_and_returns_the_stock(place, products, client, alice):
    answer = place(token="tok_declined")

    orders = client.get("/api/v1/orders", headers=alice).get_json()["data"]
    assert (answer.status_code, answer.get_json()["code"]) == (402, "payment_declined")
    assert products.stock(1) == 10
    assert [order["status"] for order in orders] == ["rejected"]


def test_order_for_more_than_there_is_is_refused_and_charges_nothing(place, payments):
    answer = place([(1, 11)])

    assert (answer.status_code, answer.get_json()["code"]) == (409, "out_of_stock")
    assert payments.charges == 0


def test_replay_gives_the_same_bytes_and_no_second_order(place, payments):
    first = place(key="same")

    replays = [place(key="same") for _ in range(4)]

    assert {replay.data for replay in replays} == {first.data}
    assert {replay.headers.get("Idempotency-Replayed") for replay in replays} == {"true"}
    assert payments.charges == 1


@pytest.mark.parametrize(("items", "token"), [([(1, 11)], "tok_ok"), ([(1, 1)], "tok_declined")])
def test_refusal_is_replayed_under_its_key(place, items, token):
    first = place(items, token=token, key="same")

    again = place(items, token=token, key="same")

    assert (again.status_code, again.data) == (first.status_code, first.data)
    assert again.headers["Idempotency-Replayed"] == "true"


def test_key_with_another_body_is_refused_and_leaves_the_first_order(place, client, alice):
    first = place([(1, 1)], key="same").get_json()

    answer = place([(1, 2)], key="same")

    kept = client.get(f"/api/v1/orders/{first['id']}", headers=alice).get_json()
    assert (answer.status_code, answer.get_json()["code"]) == (422, "idempotency_key_reused")
    assert kept == first


def test_key_belongs_to_its_user(place, bob):
    mine = place(key="same").get_json()

    theirs = place(key="same", headers=bob).get_json()

    assert mine["id"] != theirs["id"]


@pytest.mark.parametrize(
    "key", ["", "x" * 256, "a,b", "a b", "a\tb", "ключ".encode().decode("latin-1")]
)
def test_malformed_key_is_refused(place, payments, key):
    answer = place(key=key)

    assert answer.status_code == 400
    assert payments.charges == 0


def test_missing_key_is_refused(client, alice):
    body = {"payment": {"token": "tok_ok"}, "shipping_address": ADDRESS, "items": []}

    answer = client.post("/api/v1/orders", json={**body, "items": [ITEM]}, headers=alice)

    assert (answer.status_code, answer.get_json()["code"]) == (400, "idempotency_key_missing")


ITEM = {"product_id": 1, "quantity": 1}


def test_two_keys_are_refused(client, alice):
    body = {"payment": {"token": "tok_ok"}, "shipping_address": ADDRESS, "items": [ITEM]}
    headers = [*alice.items(), ("Idempotency-Key", "a"), ("Idempotency-Key", "b")]

    answer = client.post("/api/v1/orders", json=body, headers=headers)

    assert answer.status_code == 400


def test_quoted_and_bare_keys_are_the_same_key(place):
    first = place(key="abc")

    again = place(key='"abc"')

    assert again.data == first.data


def test_invalid_body_does_not_use_the_key_up(place):
    refused = place([(1, 0)], key="same")

    answer = place([(1, 1)], key="same")

    assert (refused.status_code, answer.status_code) == (422, 201)


@pytest.mark.parametrize(
    ("items", "token", "code"),
    [([(99, 1)], "tok_ok", "unknown_product"), ([(1, 1)], "card", "unknown_card_token")],
)
def test_what_does_not_exist_is_refused_and_does_not_use_the_key_up(
    place, products, items, token, code
):
    refused = place(items, token=token, key="same")

    answer = place(key="same")

    assert (refused.status_code, refused.get_json()["code"]) == (422, code)
    assert answer.status_code == 201
    assert products.stock(1) == 9


@pytest.mark.parametrize(
    "quantity", [0, -1, 1.5, "1", True, None, 1001, 2**31, 2**63 - 1, 1e3], ids=repr
)
def test_odd_quantities_are_refused(client, alice, payments, quantity):
    item = {"product_id": 1, "quantity": quantity}
    body = {"payment": {"token": "tok_ok"}, "shipping_address": ADDRESS, "items": [item]}

    answer = client.post("/api/v1/orders", json=body, headers={**alice, "Idempotency-Key": "k"})

    assert answer.status_code == 422
    assert payments.charges == 0


def test_ten_thousand_lines_are_refused(place):
    answer = place([(1, 1)] * 10_000)

    assert answer.status_code == 422


def test_duplicate_lines_are_added_up(place):
    order = place([(1, 1), (1, 2)]).get_json()

    assert [(item["product_id"], item["quantity"]) for item in order["items"]] == [(1, 3)]


def test_total_is_the_exact_sum_of_the_lines(place, products):
    products.set_price(2, 10)

    order = place([(1, 7), (2, 3)]).get_json()

    total = sum(item["quantity"] * item["price"]["amount_minor"] for item in order["items"])
    assert order["total"]["amount_minor"] == total == 7 * 1999 + 30


def test_total_beyond_the_largest_amount_is_refused(place, products):
    products.set_price(1, 10**12)

    answer = place([(1, 2)])

    assert answer.status_code == 422
    assert products.stock(1) == 10


@pytest.mark.parametrize(
    "member", ["id", "user_id", "status", "total", "price", "paid", "created_at", "role"]
)
def test_members_that_are_not_the_buyers_to_set_are_refused(place, member):
    answer = place(**{member: 1})

    assert answer.status_code == 422


def test_products_being_away_orders_nothing_and_gives_the_key_back(place, products, payments):
    products.away.add("reserve")
    refused = place(key="same")
    products.away.clear()

    answer = place(key="same")

    assert (refused.status_code, answer.status_code) == (503, 201)
    assert "Retry-After" in refused.headers
    assert payments.charges == 1


def test_payments_being_away_returns_the_stock(place, products, payments):
    payments.away.update({"authorise", "void"})

    answer = place()

    assert answer.status_code == 503
    assert products.stock(1) == 10


@pytest.mark.parametrize(("failure", "owed"), [(Unavailable, ["void"]), (NotAsked, [])])
def test_neighbour_that_was_not_asked_is_owed_nothing(place, payments, app, failure, owed):
    payments.away.update({"authorise", "void"})
    payments.failure = failure

    answer = place()

    with app.extensions["shop"].database.read() as session:
        assert session.scalars(select(Order.owed)).all() == [owed]
    assert answer.status_code == 503


def test_undecided_payment_is_accepted_and_confirmed_once_it_is_decided(place, payments, app):
    accepted = place(token="tok_hang", key="same")
    payments.decided = True

    reconciler.reconcile(app.extensions["shop"])

    answer = place(token="tok_hang", key="same")
    assert (accepted.status_code, accepted.get_json()["status"]) == (202, "payment_pending")
    assert (answer.status_code, answer.get_json()["status"]) == (201, "confirmed")
    assert payments.charges == 1


def test_capture_that_is_away_is_repeated_until_it_succeeds(place, payments, products, app):
    payments.away.add("capture")
    accepted = place()
    payments.away.clear()

    reconciler.reconcile(app.extensions["shop"])

    payment = payments.by_order[accepted.get_json()["id"]]
    assert accepted.status_code == 202
    assert payment.status == "captured"
    assert products.stock(1) == 9


def test_release_that_is_away_is_made_up_for_later(place, products, app):
    products.away.add("release")
    answer = place(token="tok_declined")
    products.away.clear()

    reconciler.reconcile(app.extensions["shop"])

    assert answer.status_code == 402
    assert products.stock(1) == 10


def test_all_that_is_owed_to_a_neighbour_is_made_up_for_in_one_turn(place, payments, app):
    payments.away.update({"authorise", "void"})
    for _ in range(60):
        place()
    payments.away.clear()

    assert reconciler.reconcile(app.extensions["shop"]) == 60


def test_undecided_order_does_not_wait_behind_a_crowd_that_only_owes(place, payments, app):
    payments.away.update({"authorise", "void"})
    for _ in range(60):
        place()
    payments.away.remove("authorise")
    place(token="tok_hang")
    payments.decided = True

    assert reconciler.reconcile(app.extensions["shop"]) == 1


def test_neighbour_that_stays_away_is_not_asked_over_and_over_in_one_turn(place, payments, app):
    payments.away.update({"authorise", "void"})
    for _ in range(60):
        place()

    assert reconciler.reconcile(app.extensions["shop"]) == 0


def test_order_does_not_wait_behind_a_crowd_whose_cards_hang(place, payments, app, monkeypatch):
    monkeypatch.setattr(reconciler, "BATCH", 3)
    for _ in range(8):
        place(token="tok_hang")
    payments.away.add("capture")
    place()
    payments.away.clear()

    assert reconciler.reconcile(app.extensions["shop"]) == 1


def test_provider_that_stays_silent_is_not_waited_for_for_ever(
    place, payments, products, app, client, alice, monkeypatch
):
    order_id = place(token="tok_hang").get_json()["id"]
    monkeypatch.setattr(saga, "PATIENCE", timedelta(0))

    reconciler.reconcile(app.extensions["shop"])

    order = client.get(f"/api/v1/orders/{order_id}", headers=alice).get_json()
    assert order["status"] == "rejected"
    assert products.stock(1) == 10
    assert payments.voided(order_id)


def test_undecided_answer_is_marked_as_a_replay_too(place):
    place(token="tok_hang", key="same")

    assert place(token="tok_hang", key="same").headers["Idempotency-Replayed"] == "true"
