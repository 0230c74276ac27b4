"""Let everything happen to payments in any order, and hold the books against the record.

The provider is the stand-in, with its own database; processes die where ``crash.here`` lets them.
"""

import itertools
import shutil
import tempfile
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule
from sqlalchemy import select

from chassis import crash
from chassis.errors import Conflict, Declined, Unavailable
from chassis.testing import FakeClock
from contracts.money import Money
from services.payments import ledger, refunds, service, settling, stand_in, webhooks
from services.payments.domain import EDGES, UNSETTLED, Kind, Status
from services.payments.ledger import Account
from services.payments.models import Base, Payment
from services.payments.provider import PaymentProvider
from services.payments.routes import _render
from services.payments.stand_in import StandInProvider
from storage.database import Database

from .conftest import SETTLE_SECONDS
from .fakes import at_once

CARDS = ("tok_ok", "tok_declined", "tok_hang", "tok_hang_after_charge", "tok_error_after_charge")
DEATHS = (None, None, None, service.AFTER_PROVIDER, service.AFTER_RECORD)


class Died(BaseException):
    """End a step as a killed process does: nothing catches it, and what was committed stays."""


class Silencer:
    """Lose answers of a provider, before or after it has done what was asked."""

    def __init__(self, provider: PaymentProvider) -> None:
        self.lose: str | None = None
        self._provider = provider

    def __getattr__(self, name):
        ask = getattr(self._provider, name)

        def call(*arguments):
            if self.lose == "before":
                raise service.ProviderSilent
            answer = ask(*arguments)
            if self.lose == "after":
                raise service.ProviderSilent
            return answer

        return call if callable(ask) else ask


class PaymentsMachine(RuleBasedStateMachine):
    payments = Bundle("payments")
    deaths = st.sampled_from(DEATHS)
    losses = st.sampled_from([None, None, "before", "after"])

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.clock = FakeClock(datetime.now(UTC))
        self.database = Database(f"sqlite:///{self.folder}/payments.sqlite3")
        self.database.create_all(Base.metadata)
        self.record = Database(f"sqlite:///{self.folder}/provider.sqlite3")
        provider = StandInProvider(
            self.record, self.clock, timeout_seconds=0.4, wait=lambda _: None
        )
        # The first use makes the tables.
        provider.operations("ord_1")
        self.provider = Silencer(provider)
        self.till = service.Till(self.database, self.provider, self.clock, 60, SETTLE_SECONDS)
        self.serial = itertools.count(1)
        self.seen: dict[str, Status] = {}

    def teardown(self):
        try:
            self.end()
        finally:
            self.database.close()
            self.record.close()
            shutil.rmtree(self.folder)

    @contextmanager
    def mishaps(self, death, loss):
        """Die at a point, or lose every answer of the provider."""

        def here(point):
            if point == death:
                raise Died

        self.provider.lose = loss
        with patch.object(crash, "here", here), suppress(Died, Conflict, Declined, Unavailable):
            yield
        self.provider.lose = None

    @rule(target=payments, card=st.sampled_from(CARDS), amount=st.integers(1, 9999), death=deaths)
    def order(self, card, amount, death):
        charge = service.Charge(f"ord_{next(self.serial)}", "alice", Money(amount), card)
        with self.mishaps(death, None):
            service.authorise(self.till, charge)
        return charge

    @rule(charge=payments, death=deaths, loss=losses)
    def repeat(self, charge, death, loss):
        with self.mishaps(death, loss):
            service.authorise(self.till, charge)

    @rule(target=payments, amount=st.integers(1, 9999))
    def captured_order(self, amount):
        charge = service.Charge(f"ord_{next(self.serial)}", "alice", Money(amount), "tok_ok")
        service.capture(self.till, service.authorise(self.till, charge).id)
        # Twice as likely to be drawn, because most of what can happen happens after a capture.
        return multiple(charge, charge)

    @rule(charge=payments, death=deaths, loss=losses)
    def capture(self, charge, death, loss):
        with self.mishaps(death, loss):
            service.capture(self.till, self.find(charge).id)

    @rule(charge=payments, death=deaths, loss=losses)
    def void(self, charge, death, loss):
        with self.mishaps(death, loss):
            service.void_order(self.till, charge.order_id)

    @rule(
        charge=payments,
        # Few, so that a key often comes again with its own amount.
        amount=st.sampled_from([None, 1, 3000]),
        key=st.sampled_from("abc"),
        death=deaths,
        loss=losses,
    )
    def refund(self, charge, amount, key, death, loss):
        amount = amount and Money(amount)
        with self.mishaps(death, loss), suppress(refunds.idempotency.IdempotencyKeyReused):
            wish = refunds.RefundWish(self.find(charge).id, amount, key)
            refunds.refund(self.till, wish, _render)

    @rule(charge=payments, kind=st.sampled_from(webhooks.EventType), again=st.booleans())
    def webhook(self, charge, kind, again):
        event_id = f"evt_{charge.order_id}_{kind}" if again else f"evt_{next(self.serial)}"
        payment = self.find(charge)
        event = webhooks.Event(event_id, kind, payment.id, payment.amount_minor, payment.currency)
        with self.mishaps(None, None):
            webhooks.receive(self.till, event)

    @rule(seconds=st.sampled_from([0, SETTLE_SECONDS, 61]), death=deaths, loss=losses)
    def settle(self, seconds, death, loss):
        self.clock.advance(seconds)
        with self.mishaps(death, loss):
            settling.settle(self.till)

    @invariant()
    def books_balance_and_agree_with_the_payments(self):
        with self.database.read() as session:
            assert ledger.unbalanced_postings(session) == []
            balances = ledger.trial_balance(session)
            payments = session.scalars(select(Payment)).all()
        captured = sum(payment.captured_minor for payment in payments)
        refunded = sum(payment.refunded_minor for payment in payments)
        assert {account: amount for (_, account), amount in balances.items() if amount} == {
            account: amount
            for account, amount in (
                (Account.PROVIDER, captured - refunded),
                (Account.SALES, -captured),
                (Account.REFUNDS, refunded),
            )
            if amount
        }

    @invariant()
    def nothing_is_booked_that_the_provider_has_not_done(self):
        for payment in self.all():
            done = self.done(payment)
            assert payment.captured_minor <= done[Kind.CAPTURE] <= payment.amount_minor
            assert payment.refunded_minor <= done[Kind.REFUND] <= payment.claimed_minor
            assert done[Kind.REFUND] <= done[Kind.CAPTURE]

    @invariant()
    def states_follow_the_documented_edges(self):
        for payment in self.all():
            now = Status(payment.status)
            then = self.seen.setdefault(payment.id, now)
            # One step may take several edges: an event can tell of more than one of them.
            assert now == then or now in reachable(then)
            self.seen[payment.id] = now

    def end(self):
        """Let every fault end, and see that the settling alone brings books and record together."""
        for _ in range(2):
            self.clock.advance(60)
            settling.settle(self.till)
        for payment in self.all():
            done = self.done(payment)
            assert payment.captured_minor == done[Kind.CAPTURE]
            assert payment.refunded_minor == payment.claimed_minor == done[Kind.REFUND]
            assert (payment.status in UNSETTLED) == (payment.settle_at is not None)
            if done[Kind.AUTHORISE] and not done[Kind.VOID]:
                assert payment.status in {Status.AUTHORISED, Status.CAPTURED, Status.REFUNDED}

    def all(self):
        with self.database.read() as session:
            return session.scalars(select(Payment)).all()

    def find(self, charge):
        with self.database.read() as session:
            by_order = select(Payment).where(Payment.order_id == charge.order_id)
            return session.scalars(by_order).one()

    def done(self, payment):
        """Return the sums of what the provider has recorded, read past everything under test."""
        sums = dict.fromkeys(Kind, 0)
        table = stand_in.OPERATIONS
        of_payment = select(table).where(table.c.payment_id == payment.id)
        with self.record.read() as session:
            for row in session.execute(of_payment):
                sums[Kind(row.kind)] += row.amount_minor
        return sums


def reachable(status):
    """Return the states that a payment may come to, in one step or several."""
    found = set(EDGES[status])
    for _ in Status:
        found |= {target for source in found for target in EDGES[source]}
    return found


TestPayments = PaymentsMachine.TestCase
TestPayments.settings = settings(
    max_examples=25,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@pytest.fixture
def tills(app, till, stand_in, clock, database_url):
    """Return tills as four processes have them, with a connection pool each."""
    databases = [Database(database_url, durable=True) for _ in range(4)]
    yield [service.Till(database, stand_in, clock, 60, SETTLE_SECONDS) for database in databases]
    for database in databases:
        database.close()


def attempt(call):
    """Return the name of what came of a call."""
    try:
        call()
    except (Conflict, Unavailable) as refusal:
        return refusal.code
    return "done"


def test_refunds_of_several_processes_never_exceed_the_capture(orders, tills, stand_in, till):
    payment_id = orders.captured(amount=10000)

    def refund(number):
        wish = refunds.RefundWish(payment_id, Money(3000), f"key-{number}")
        return attempt(lambda: refunds.refund(tills[number % 4], wish, _render))

    outcomes = at_once(10, refund)

    payment = service.find_payment(till, payment_id)
    record = [op.kind for op in stand_in.operations("ord_1")]
    assert sorted(outcomes) == ["done"] * 3 + ["refund_exceeds_captured"] * 7
    assert (payment.refunded_minor, record.count(Kind.REFUND)) == (9000, 3)


def test_captures_and_voids_of_several_processes_end_in_one_of_them(orders, tills, stand_in, till):
    payment_id = orders.authorise().json["id"]
    calls = (service.capture, service.void)

    at_once(8, lambda number: attempt(lambda: calls[number % 2](tills[number % 4], payment_id)))

    status = service.find_payment(till, payment_id).status
    record = [op.kind for op in stand_in.operations("ord_1")]
    with till.database.read() as session:
        balances = ledger.trial_balance(session)
    assert record[1:] == [Kind.CAPTURE if status == Status.CAPTURED else Kind.VOID]
    assert balances.get(("USD", "sales"), 0) == (-10000 if status == Status.CAPTURED else 0)
