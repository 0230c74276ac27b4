from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from chassis.errors import Conflict
from contracts.money import Money
from services.payments import ledger, refunds, service
from services.payments.domain import EDGES, Kind, Status, new_payment_id
from services.payments.errors import PaymentDeclined, ProviderSilent, UnbalancedPosting
from services.payments.ledger import Account
from services.payments.models import LedgerEntry, Payment
from services.payments.routes import _render


@pytest.fixture
def provider(fake):
    return fake


@pytest.fixture
def books(till):
    """Return the balance of each account that has entries."""

    def read():
        with till.database.read() as session:
            assert ledger.unbalanced_postings(session) == []
            balances = ledger.trial_balance(session)
        return {account: amount for (_, account), amount in balances.items()}

    return read


def test_authorisation_moves_no_money(orders, books):
    orders.authorise()

    assert books() == {}


def test_declined_and_voided_payments_move_no_money(orders, books):
    orders.authorise("ord_1", token="tok_declined")
    orders.void(orders.authorise("ord_2").json["id"])

    assert books() == {}


def test_capture_makes_the_provider_owe_us_the_sale(orders, books):
    payment_id = orders.captured(amount=1999)
    orders.capture(payment_id)

    assert books() == {"provider_receivable": 1999, "sales": -1999}


def test_refund_is_booked_beside_the_sale(orders, books):
    payment_id = orders.captured(amount=1999)
    orders.refund(payment_id, 999, key="once")
    orders.refund(payment_id, 999, key="once")

    assert books() == {"provider_receivable": 1000, "refunds": 999, "sales": -1999}


def test_nothing_is_booked_while_the_outcome_is_unknown(orders, fake, books):
    payment_id = orders.authorise().json["id"]
    fake.silent_after = {Kind.CAPTURE}

    orders.capture(payment_id)

    assert books() == {}


def test_capture_and_its_posting_are_stored_together_or_not_at_all(orders, till, books):
    payment_id = orders.authorise().json["id"]
    with till.database.write() as session:
        ledger.post_capture(session, f"{payment_id}:capture", Money(10000), till.clock.now())

    with pytest.raises(IntegrityError):
        service.capture(till, payment_id)

    assert service.find_payment(till, payment_id).status == Status.AUTHORISED
    assert books() == {"provider_receivable": 10000, "sales": -10000}


def test_posting_that_does_not_balance_is_not_written(till, books):
    changes = {Account.PROVIDER: 100, Account.SALES: -99}

    with pytest.raises(UnbalancedPosting), till.database.write() as session:
        ledger.post(session, "odd", changes, "USD", till.clock.now())

    assert books() == {}


def test_posting_that_does_not_balance_is_found(till):
    entry = {
        "posting": "odd",
        "account": "sales",
        "currency": "USD",
        "amount_minor": 1,
        "created_at": till.clock.now(),
    }

    with till.database.write() as session:
        session.execute(insert(LedgerEntry).values(entry))
        assert ledger.unbalanced_postings(session) == ["odd"]


@pytest.mark.parametrize(
    "changes",
    [
        {"captured_minor": 9999},
        {"captured_minor": 20000},
        {"claimed_minor": 1},
        {"captured_minor": 10000, "claimed_minor": 10001},
        {"captured_minor": 10000, "refunded_minor": 1},
        {"refunded_minor": -1},
    ],
    ids=str,
)
def test_database_refuses_amounts_that_contradict_each_other(orders, till, changes):
    payment_id = orders.authorise(amount=10000).json["id"]

    change = update(Payment).where(Payment.id == payment_id).values(changes)

    with pytest.raises(IntegrityError), till.database.write() as session:
        session.execute(change)


# Random steps alone would seldom come far.
STARTS = st.sampled_from(
    [(), (("authorise", "tok_ok"),), (("authorise", "tok_ok"), ("capture", None))]
)
STEPS = st.one_of(
    st.tuples(st.just("authorise"), st.sampled_from(["tok_ok", "tok_declined"])),
    st.tuples(st.just("capture"), st.none()),
    st.tuples(st.just("void"), st.none()),
    st.tuples(st.just("refund"), st.one_of(st.none(), st.integers(1, 6000))),
)
SILENCE = st.sampled_from([*Kind, None])


def take(till, payment, step, number):
    """Carry out one step on a payment, whether or not its state allows it."""
    name, argument = step
    with suppress(PaymentDeclined, Conflict, ProviderSilent):
        if name == "authorise":
            charge = service.Charge(payment.order_id, "alice", payment.amount, argument)
            service.authorise(till, charge)
        elif name == "refund":
            amount = argument and Money(argument)
            wish = refunds.RefundWish(payment.id, amount, f"key-{number}")
            refunds.refund(till, wish, _render)
        else:
            getattr(service, name)(till, payment.id)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    amount=st.integers(1, 10000),
    start=STARTS,
    steps=st.lists(st.tuples(STEPS, SILENCE, SILENCE), max_size=8),
)
def test_books_balance_after_any_sequence_and_agree_with_the_provider_once_it_is_repeated(
    till, fake, books, amount, start, steps
):
    loud = [(step, None, None) for step in start]
    charge = service.Charge(new_payment_id(), "alice", Money(amount), "tok_ok")
    fake.silent_before = {Kind.AUTHORISE}
    payment = service.authorise(till, charge)
    statuses = [Status.PENDING]

    for number, (step, before, after) in enumerate([*loud, *steps]):
        fake.silent_before, fake.silent_after = {before}, {after}
        take(till, payment, step, number)
        statuses.append(Status(service.find_payment(till, payment.id).status))

    assert all(now == then or now in EDGES[then] for then, now in pairwise(statuses))
    assert sum(books().values()) == 0
    assert books().get("provider_receivable", 0) == owed_by_payments(till)

    fake.silent_before = fake.silent_after = set()
    for number, (step, _, _) in enumerate([*loud, *steps]):
        take(till, payment, step, number)

    assert books().get("provider_receivable", 0) == owed_by_the_record(fake)


def owed_by_payments(till):
    with till.database.read() as session:
        return sum(p.captured_minor - p.refunded_minor for p in session.scalars(select(Payment)))


def owed_by_the_record(fake):
    signs = {Kind.CAPTURE: 1, Kind.REFUND: -1}
    return sum(signs.get(op.kind, 0) * op.amount.amount_minor for op in fake.record)
