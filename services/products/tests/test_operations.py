from datetime import timedelta

import pytest

from chassis.outbound.breaker import CircuitBreakerGuard
from chassis.testing import bearer
from services.products.clients import Clients

from .conftest import LIFE_SECONDS

PATH = "/internal/operations"
NOTHING = {"reservations": 0, "units": 0, "oldest_expiry": None}


@pytest.fixture
def look(client, mint):
    return lambda: client.get(PATH, headers=bearer(mint.service("gateway", "operations:read")))


@pytest.fixture
def reserve(client, orders):
    def reserve(name, *pairs):
        items = [{"product_id": product_id, "quantity": quantity} for product_id, quantity in pairs]
        body = {"reservation_id": name, "items": items}
        client.post("/internal/reservations", json=body, headers=orders)

    return reserve


def test_quiet_shop_holds_nothing_back(look):
    expected = {"service": "products", "breakers": {}, "live": NOTHING, "overdue": NOTHING}

    assert look().get_json() == expected


def test_what_is_held_is_counted_and_what_is_overdue_apart(look, reserve, client, orders, clock):
    began = clock.now()
    reserve("gone", (1, 1))
    client.post("/internal/reservations/gone/confirm", headers=orders)
    reserve("old", (1, 2), (2, 3))
    clock.advance(10)
    reserve("young", (1, 1))
    clock.advance(5)
    reserve("youngest", (2, 1))
    clock.advance(LIFE_SECONDS - 15)

    seen = look().get_json()

    expiry = began + timedelta(seconds=LIFE_SECONDS)
    later = expiry + timedelta(seconds=10)
    assert seen["overdue"] == {"reservations": 1, "units": 5, "oldest_expiry": expiry.isoformat()}
    assert seen["live"] == {"reservations": 2, "units": 2, "oldest_expiry": later.isoformat()}


def test_breakers_are_named_by_what_is_behind_them(look, app, mint):
    guard = CircuitBreakerGuard("auth")
    guard.force_open()
    app.extensions["clients"] = Clients(mint, None, [guard])

    assert look().get_json()["breakers"] == {"auth": {"state": "forced-open"}}


def test_other_scopes_do_not_open_it(client, orders, operator):
    statuses = [client.get(PATH, headers=headers).status_code for headers in (orders, operator)]

    assert statuses == [403, 403]
    assert client.get(PATH).status_code == 401
