"""Hold what happens after an order is confirmed against the contract."""

import itertools

import pytest

from chassis.errors import Unavailable
from services.orders import reconciler
from services.orders.domain import EDGES, Status


@pytest.fixture
def order_id(place):
    return place([(1, 2)]).get_json()["id"]


@pytest.fixture
def call(client, operator):
    def call(order_id, command, headers=operator, **kwargs):
        return client.post(f"/api/v1/orders/{order_id}/{command}", headers=headers, **kwargs)

    return call


@pytest.fixture
def refund(call, operator):
    keys = itertools.count()

    def refund(order_id, amount_minor=None, key=None):
        amount = {"amount_minor": amount_minor, "currency": "USD"}
        body = {} if amount_minor is None else {"amount": amount}
        key = key or f"refund-{next(keys)}"
        return call(order_id, "refund", {**operator, "Idempotency-Key": key}, json=body)

    return refund


@pytest.fixture
def lose_answers(monkeypatch, payments):
    """Have refunds made without anybody hearing of it, until the returned function is called."""

    def refund_in_vain(*args, refund=payments.refund):
        refund(*args)
        raise Unavailable

    def lose_answers():
        monkeypatch.setattr(payments, "refund", refund_in_vain)
        return monkeypatch.undo

    return lose_answers


@pytest.fixture
def meanwhile(monkeypatch, payments):
    """Have something happen between the look at the order and its next refund."""

    def meanwhile(action):
        def refund_after(*args, refund=payments.refund):
            monkeypatch.undo()
            action()
            return refund(*args)

        monkeypatch.setattr(payments, "refund", refund_after)

    return meanwhile


def test_cancelling_gives_money_and_goods_back(call, alice, order_id, products, payments):
    answer = call(order_id, "cancel", alice)

    payment = payments.by_order[order_id]
    assert (answer.status_code, answer.get_json()["status"]) == (200, "cancelled")
    assert payment.refunded == payment.captured
    assert products.stock(1) == 10


def test_order_is_cancelled_once(call, alice, order_id, products):
    call(order_id, "cancel", alice)

    answer = call(order_id, "cancel", alice)

    assert (answer.status_code, answer.get_json()["code"]) == (409, "illegal_state")
    assert products.stock(1) == 10


def test_refund_of_a_cancelled_order_is_made_up_for_when_payments_was_away(
    call, alice, order_id, payments, app
):
    payments.away.add("refund")
    call(order_id, "cancel", alice)
    payments.away.clear()

    reconciler.reconcile(app.extensions["shop"])

    payment = payments.by_order[order_id]
    assert payment.refunded == payment.captured


def test_order_goes_out_and_arrives(call, order_id):
    shipped = call(order_id, "ship").get_json()["status"]
    delivered = call(order_id, "deliver").get_json()["status"]

    assert (shipped, delivered) == ("shipped", "delivered")


def test_shipped_order_can_not_be_cancelled(call, alice, order_id, payments):
    call(order_id, "ship")

    answer = call(order_id, "cancel", alice)

    assert answer.status_code == 409
    assert payments.by_order[order_id].refunded.amount_minor == 0


def test_full_refund_ends_the_order_without_restocking(call, refund, order_id, products):
    call(order_id, "ship")

    answer = refund(order_id).get_json()

    assert answer["status"] == "refunded"
    assert answer["payment"]["refunded"] == answer["payment"]["captured"]
    assert products.stock(1) == 8


def test_refund_is_on_the_audit_trail_whatever_becomes_of_it(refund, call, order_id, caplog):
    caplog.set_level("INFO", "audit")

    refund(order_id)
    call(order_id, "ship")
    refund(order_id)

    noted = [record.__dict__ for record in caplog.records if record.name == "audit"]
    refunds = [line for line in noted if line["event"] == "order.refund"]
    assert [line["outcome"] for line in refunds] == ["refused", "allowed"]
    assert all(line["order_id"] == order_id and line["user"] for line in refunds)


def test_partial_refund_leaves_the_state_as_it_is(refund, order_id):
    answer = refund(order_id, 1000).get_json()

    assert answer["status"] == "confirmed"
    assert answer["payment"]["refunded"]["amount_minor"] == 1000


def test_refunds_never_exceed_what_was_captured(call, refund, order_id, payments):
    call(order_id, "ship")

    statuses = [refund(order_id, 1500).status_code for _ in range(4)]

    assert statuses == [200, 200, 409, 409]
    assert payments.by_order[order_id].refunded.amount_minor == 3000


def test_confirmed_order_is_cancelled_rather_than_refunded_in_full(refund, order_id):
    assert [refund(order_id).status_code, refund(order_id, 3998).status_code] == [409, 409]


def test_refund_is_replayed_under_its_key(refund, order_id, payments):
    first = refund(order_id, 1000, key="same")

    again = refund(order_id, 1000, key="same")

    assert again.data == first.data
    assert again.headers["Idempotency-Replayed"] == "true"
    assert payments.by_order[order_id].refunded.amount_minor == 1000


def test_refund_that_found_payments_away_can_be_sent_again(refund, order_id, payments):
    payments.away.add("refund")
    refused = refund(order_id, 1000, key="same")
    payments.away.clear()

    answer = refund(order_id, 1000, key="same")

    assert (refused.status_code, answer.status_code) == (503, 200)


@pytest.mark.parametrize("command", ["ship", "deliver", "refund"])
def test_customers_can_not_do_the_operators_work(call, alice, order_id, command):
    assert call(order_id, command, alice, json={}).status_code == 403


@pytest.mark.parametrize("path", ["", "/cancel"])
def test_somebody_elses_order_is_not_there(client, bob, order_id, path):
    send = client.post if path else client.get

    theirs = send(f"/api/v1/orders/{order_id}{path}", headers=bob)
    random = send(f"/api/v1/orders/ord_nothing{path}", headers=bob)

    assert theirs.status_code == random.status_code == 404
    assert theirs.get_json()["detail"] == random.get_json()["detail"]


def test_operator_sees_any_order(client, operator, order_id):
    assert client.get(f"/api/v1/orders/{order_id}", headers=operator).status_code == 200


@pytest.mark.parametrize("method", ["get", "post", "put", "delete"])
def test_nobody_is_served_without_a_token(client, method):
    paths = {
        "get": ["/api/v1/cart", "/api/v1/orders", "/api/v1/orders/x"],
        "post": [
            "/api/v1/orders",
            *(f"/api/v1/orders/x/{c}" for c in ("cancel", "ship", "refund")),
        ],
        "put": ["/api/v1/cart/items/1"],
        "delete": ["/api/v1/cart/items/1"],
    }[method]

    assert {getattr(client, method)(path).status_code for path in paths} == {401}


def test_every_state_but_the_last_ones_has_a_way_out():
    final = {status for status, following in EDGES.items() if not following}

    assert final == {Status.REJECTED, Status.CANCELLED, Status.REFUNDED}
    assert set(EDGES) == set(Status)


def test_refund_key_may_be_as_long_as_keys_can_be(refund, order_id, payments):
    refund(order_id, 1000, key="k" * 255)

    assert max(map(len, payments.refund_keys)) <= 255


def test_refund_of_nothing_is_not_valid(call, refund, order_id, payments):
    call(order_id, "ship")

    answer = refund(order_id, 0)

    assert (answer.status_code, list(answer.get_json()["errors"])) == (422, ["amount"])
    assert payments.refund_keys == {}


@pytest.mark.parametrize("commands", [["ship"], ["ship", "deliver"]])
@pytest.mark.parametrize("key", ["lost", "another"])
def test_full_refund_whose_answer_was_lost_is_finished_by_the_next(
    call, refund, order_id, payments, lose_answers, commands, key
):
    for command in commands:
        call(order_id, command)
    found_again = lose_answers()
    lost = refund(order_id, key="lost")
    found_again()

    answer = refund(order_id, key=key)

    assert (lost.status_code, answer.status_code) == (503, 200)
    assert answer.get_json()["status"] == "refunded"
    assert answer.get_json()["payment"]["refunded"] == answer.get_json()["payment"]["captured"]
    assert len(payments.refund_keys) == 1


def test_refunded_order_has_nothing_left_to_refund(call, refund, order_id):
    call(order_id, "ship")
    refund(order_id)

    answer = refund(order_id)

    assert (answer.status_code, answer.get_json()["code"]) == (409, "refund_exceeds_captured")


def test_parts_do_not_add_up_to_the_whole_before_the_order_is_sent(refund, order_id, payments):
    statuses = [refund(order_id, amount).status_code for amount in (1999, 1999, 1998)]

    assert statuses == [200, 409, 200]
    assert payments.by_order[order_id].refunded.amount_minor == 3997


def test_lost_part_is_not_refused_for_what_it_took_itself(refund, order_id, payments, lose_answers):
    found_again = lose_answers()
    refund(order_id, 1999, key="same")
    found_again()

    answer = refund(order_id, 1999, key="same")

    assert (answer.status_code, answer.get_json()["status"]) == (200, "confirmed")
    assert payments.by_order[order_id].refunded.amount_minor == 1999


def test_last_part_of_an_order_that_is_sent_meanwhile_ends_it(
    call, refund, order_id, payments, meanwhile, products
):
    def ship():
        call(order_id, "ship")
        refund(order_id, 1999)

    meanwhile(ship)

    answer = refund(order_id, 1999)

    assert answer.get_json()["status"] == "refunded"
    assert products.stock(1) == 8


def test_parts_at_the_same_moment_that_leave_nothing_cancel_the_order(
    call, refund, order_id, meanwhile, products
):
    meanwhile(lambda: refund(order_id, 1999))

    answer = refund(order_id, 1999)

    assert answer.get_json()["status"] == "cancelled"
    assert products.stock(1) == 10
    assert call(order_id, "ship").status_code == 409


def test_order_that_was_sent_with_nothing_left_can_be_ended(call, refund, order_id, payments):
    payment = payments.by_order[order_id]
    payments.refund(payment.id, payment.captured, "earlier")
    call(order_id, "ship")
    call(order_id, "deliver")

    refused, ended = refund(order_id, 1), refund(order_id)

    assert (refused.status_code, ended.get_json()["status"]) == (409, "refunded")


def test_confirmed_order_with_nothing_left_can_be_cancelled(
    call, alice, refund, order_id, payments, products
):
    payment = payments.by_order[order_id]
    payments.refund(payment.id, payment.captured, "earlier")

    refused, cancelled = refund(order_id), call(order_id, "cancel", alice)

    assert (refused.status_code, cancelled.get_json()["status"]) == (409, "cancelled")
    assert products.stock(1) == 10
