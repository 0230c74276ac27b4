import pytest

from chassis.testing import bearer
from services.payments.domain import Kind

PATH = "/internal/operations"
NOTHING = {"count": 0, "oldest_age_seconds": None}


@pytest.fixture
def provider(fake):
    return fake


@pytest.fixture
def look(client, mint):
    return lambda: client.get(PATH, headers=bearer(mint.service("gateway", "operations:read"))).json


def test_quiet_shop_has_nothing_to_settle(look):
    assert look() == {
        "service": "payments",
        "breakers": {},
        "pending": NOTHING,
        "authorised": NOTHING,
        "unfinished_refunds": NOTHING,
        "ledger": [],
        "ledger_sum_minor": 0,
        "unbalanced_postings": [],
    }


def test_what_is_unsettled_is_counted_with_the_age_of_the_oldest(look, orders, fake, clock):
    fake.silent_before = {Kind.AUTHORISE, Kind.REFUND}
    orders.authorise("ord_1")
    clock.advance(2)
    orders.authorise("ord_2")
    fake.silent_before -= {Kind.AUTHORISE}
    orders.authorise("ord_3")
    payment_id = orders.captured("ord_4")
    orders.refund(payment_id, 3000)
    orders.authorise("ord_5", token="tok_declined")
    clock.advance(1.5)

    seen = look()

    assert seen["pending"] == {"count": 2, "oldest_age_seconds": 3.5}
    assert seen["authorised"] == {"count": 1, "oldest_age_seconds": 1.5}
    assert seen["unfinished_refunds"] == {"count": 1, "oldest_age_seconds": 1.5}


def test_balances_are_shown_and_add_up(look, orders):
    orders.refund(orders.captured(amount=1999), 999)

    seen = look()

    balances = {balance["account"]: balance["amount_minor"] for balance in seen["ledger"]}
    assert balances == {"provider_receivable": 1000, "refunds": 999, "sales": -1999}
    assert {balance["currency"] for balance in seen["ledger"]} == {"USD"}
    assert seen["ledger_sum_minor"] == 0


@pytest.mark.parametrize("scope", ["payments:write", "reservations:write"])
def test_other_scopes_do_not_open_it(client, mint, operator, scope):
    service = bearer(mint.service("orders", scope))

    statuses = [client.get(PATH, headers=headers).status_code for headers in (service, operator)]

    assert statuses == [403, 403]
    assert client.get(PATH).status_code == 401
