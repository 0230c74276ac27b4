"""Hold what others are told of orders against the contract."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from chassis.errors import Unavailable
from messaging import outbox
from services.orders import reconciler, saga
from services.orders.models import OutboxEvent
from tests.contract.event_schemas import faults


@pytest.fixture
def shop(app):
    return app.extensions["shop"]


@pytest.fixture
def call(client, operator):
    def call(order_id, command):
        headers = {**operator, "Idempotency-Key": f"{order_id}-{command}"}
        body = {} if command == "refund" else None
        return client.post(f"/api/v1/orders/{order_id}/{command}", headers=headers, json=body)

    return call


@pytest.fixture
def confirmed(place, subscriber):
    """Return the id of an order whose confirmation was told already."""
    order_id = place([(1, 2)]).get_json()["id"]
    subscriber.next()
    return order_id


def stored(shop):
    with shop.database.read() as session:
        return session.scalar(select(func.count()).select_from(OutboxEvent))


def check(envelope):
    assert faults("envelope.v1.json", envelope) == []
    assert faults(f"{envelope['type']}.v1.json", envelope["data"]) == []


def test_confirmed_order_is_told_with_what_a_mail_needs(place, subscriber):
    answer = place([(1, 2), (2, 1)])

    order, event = answer.get_json(), subscriber.next()
    check(event)
    assert (event["type"], event["aggregate_id"]) == ("order.confirmed", order["id"])
    assert event["request_id"] == answer.headers["X-Request-Id"]
    assert event["data"] == {
        "order_id": order["id"],
        "user_id": "alice",
        "items": order["items"],
        "total": order["total"],
    }


def test_cancelled_order_is_told(confirmed, call, subscriber):
    call(confirmed, "cancel")

    event = subscriber.next()
    check(event)
    assert (event["type"], event["aggregate_id"]) == ("order.cancelled", confirmed)


def test_refunded_order_is_told(confirmed, call, subscriber):
    call(confirmed, "ship")
    call(confirmed, "refund")

    event = subscriber.next()
    check(event)
    assert (event["type"], event["aggregate_id"]) == ("order.refunded", confirmed)


def test_buyer_who_was_told_to_wait_is_told_of_the_rejection(place, shop, subscriber, monkeypatch):
    order_id = place(token="tok_hang").get_json()["id"]
    monkeypatch.setattr(saga, "PATIENCE", timedelta(0))

    reconciler.reconcile(shop)

    event = subscriber.next()
    check(event)
    assert (event["type"], event["aggregate_id"]) == ("order.rejected", order_id)
    assert event["data"]["reason"] == "payment_declined"


@pytest.mark.parametrize("order", [{"token": "tok_declined"}, {"items": [(1, 999)]}])
def test_refusal_that_the_buyer_has_seen_is_not_told(place, shop, subscriber, order):
    assert place(**order).status_code in {402, 409}

    assert stored(shop) == 0
    assert subscriber.taken.empty()


def test_event_and_state_are_one_transaction(place, shop, client, alice, monkeypatch):
    def fail(*_):
        raise Unavailable("no room on the disk")

    monkeypatch.setattr(outbox, "publish", fail)
    place()

    orders = client.get("/api/v1/orders", headers=alice).get_json()["data"]
    assert [order["status"] for order in orders] == ["reserved"]
    assert stored(shop) == 0


def test_event_waits_while_the_subscriber_is_away(place, shop, subscriber):
    subscriber.error = Unavailable("nobody there")

    assert place().status_code == 201

    assert stored(shop) == 1
    assert subscriber.taken.empty()
