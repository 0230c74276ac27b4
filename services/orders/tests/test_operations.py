"""Let operators see how the service is doing."""

import pytest

from chassis.errors import Unavailable
from chassis.outbound.breaker import CircuitBreakerGuard
from chassis.testing import bearer
from messaging.outbox import EventRefused
from services.orders import operations
from services.orders.clients import connect
from services.orders.config import Config
from tests.waiting import wait_until


@pytest.fixture
def look(client, mint):
    headers = bearer(mint.service("orders", "operations:read"))
    return lambda: client.get("/internal/operations", headers=headers).get_json()


@pytest.fixture
def retry(client, mint):
    headers = bearer(mint.service("orders", "operations:write"))
    return lambda event: client.post(f"/internal/dead-letters/{event}/retry", headers=headers)


@pytest.fixture
def letter(place, subscriber, look):
    """Return a dead letter as operators see it."""
    subscriber.error = EventRefused("It is of an unknown version.")
    place()
    wait_until(lambda: look()["outbox"]["dead"] == 1)
    subscriber.error = None
    return look()["dead_letters"][0]


def test_service_at_rest_has_nothing_open(look):
    assert look() == {
        "service": "orders",
        "breakers": {},
        "outbox": {"depth": 0, "oldest_age_seconds": None, "dead": 0},
        "dead_letters": [],
        "unfinished": {
            "by_status": {"pending": 0, "reserved": 0, "payment_pending": 0},
            "oldest_age_seconds": None,
            "owing": 0,
            "oldest": [],
        },
    }


def test_waiting_events_are_counted(place, subscriber, look):
    subscriber.error = Unavailable()
    place()
    place()

    waiting = look()["outbox"]

    assert (waiting["depth"], waiting["dead"]) == (2, 0)
    assert 0 <= waiting["oldest_age_seconds"] < 10


def test_unfinished_orders_are_counted(place, look):
    place(token="tok_hang")

    unfinished = look()["unfinished"]

    assert unfinished["by_status"] == {"pending": 0, "reserved": 0, "payment_pending": 1}
    assert 0 <= unfinished["oldest_age_seconds"] < 10


def test_order_that_still_owes_its_goods_is_counted(place, look, client, alice, products):
    order_id = place().get_json()["id"]
    products.away.add("restock")
    client.post(f"/api/v1/orders/{order_id}/cancel", headers=alice)

    unfinished = look()["unfinished"]

    assert (unfinished["owing"], unfinished["oldest_age_seconds"]) == (1, None)
    assert [(o["id"], o["status"]) for o in unfinished["oldest"]] == [(order_id, "cancelled")]


def test_orders_with_work_left_are_named_from_the_oldest_on(place, look, clock, monkeypatch):
    monkeypatch.setattr(operations, "OLDEST", 2)
    place()
    waiting = []
    for _ in range(3):
        clock.advance(1)
        waiting.append(place(token="tok_hang").get_json()["id"])

    oldest = look()["unfinished"]["oldest"]

    assert [order["id"] for order in oldest] == waiting[:2]
    assert {order["status"] for order in oldest} == {"payment_pending"}


def test_breakers_show_their_states(app, look):
    guard = CircuitBreakerGuard("payments")
    guard.force_open()
    app.extensions["shop"].clients.breakers["payments"] = guard

    assert look()["breakers"] == {"payments": {"state": "forced-open"}}


@pytest.mark.parametrize(
    ("settings", "subscriber"),
    [({}, "notifications"), ({"CELERY_BROKER_URL": "redis://127.0.0.1:1"}, "broker")],
)
def test_every_neighbour_has_its_breaker(tmp_path, settings, subscriber):
    clients = connect(Config.from_environ({"SHOP_DATA_DIR": str(tmp_path), **settings}))

    neighbours = {"auth", "products", "products (offers)", "payments"}
    assert set(clients.breakers) == {*neighbours, subscriber}


def test_dead_letter_is_shown_with_its_cause(letter):
    assert letter["type"] == "order.confirmed"
    assert letter["aggregate_id"].startswith("ord_")
    assert letter["attempts"] == 1
    assert "unknown version" in letter["last_error"]


def test_dead_letter_is_delivered_when_it_is_retried(letter, retry, subscriber, look):
    assert retry(letter["id"]).status_code == 204

    assert subscriber.next()["id"] == letter["id"]
    wait_until(lambda: look()["outbox"] == {"depth": 0, "oldest_age_seconds": None, "dead": 0})


def test_what_is_no_dead_letter_can_not_be_retried(letter, retry, subscriber):
    retry(letter["id"])
    subscriber.next()

    assert retry(letter["id"]).status_code == 404
    assert retry("nothing").status_code == 404


def test_only_services_with_the_scope_may_look_and_act(client, mint, operator, letter):
    reader = bearer(mint.service("orders", "operations:read"))
    for headers in (operator, bearer(mint.service("orders", "payments:write"))):
        assert client.get("/internal/operations", headers=headers).status_code == 403
    path = f"/internal/dead-letters/{letter['id']}/retry"
    assert client.post(path, headers=reader).status_code == 403
    assert client.get("/internal/operations").status_code == 401
