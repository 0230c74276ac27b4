"""Authorise, capture and void payments: the use cases of this service.

What is about to be asked of the provider is on disk before the call, and no transaction is open
during it.  An answer that got lost is looked up in the provider's own record, under an idempotency
key that follows from the payment, before anything is asked for again.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from chassis import crash
from chassis.clock import Clock
from chassis.inbound.tokens import Principal
from chassis.outbound.breaker import BreakerPolicy, CircuitBreakerGuard, CircuitOpen, Outcome
from contracts.money import Money
from storage.database import Database, repeat_on_collision

from . import ledger, repository
from .domain import EDGES, UNSETTLED, Kind, Status, new_payment_id
from .errors import (
    CARD_REFUSALS,
    CardRefused,
    IllegalTransition,
    PaymentMismatch,
    PaymentNotFound,
    ProviderSilent,
)
from .models import Payment
from .provider import Instruction, PaymentProvider

OPERATOR = "operator"
AFTER_PROVIDER = "payments:after_provider_before_record"
AFTER_RECORD = "payments:after_record_before_answer"


# One silence is enough: hundreds of hanging cards must not keep the others from being looked up.
REPEATING = BreakerPolicy(
    failure_threshold=1, open_seconds=2.0, max_open_seconds=4.0, trial_calls=1
)


@dataclass(frozen=True, slots=True)
class Till:
    """Hold what the use cases work with.

    What has not ended after ``settle_seconds`` counts as stopped half-way.  ``repeating`` decides
    whether a card that was met with silence is tried again.
    """

    database: Database
    provider: PaymentProvider
    clock: Clock
    idempotency_seconds: float
    settle_seconds: float
    repeating: CircuitBreakerGuard = field(
        default_factory=lambda: CircuitBreakerGuard("provider", REPEATING)
    )

    def settle_at(self, now: datetime) -> datetime:
        """Return when to look whether something that begins now has ended."""
        return now + timedelta(seconds=self.settle_seconds)


@dataclass(frozen=True, slots=True)
class Charge:
    """Ask for the amount of an order from a card; ``token`` is the provider's name for it."""

    order_id: str
    user_id: str
    amount: Money
    token: str


def authorise(till: Till, charge: Charge) -> Payment:
    """Place the amount of an order on hold; the same order again gives the same payment.

    The payment is ``pending`` while the provider's answer is unknown; the next call finds out.

    Raises:
        PaymentMismatch: the order has a payment of another amount or person.
        PaymentDeclined, InsufficientFunds, UnknownCardToken: the card refused, now or before.
        IllegalTransition: the payment was voided.
    """
    candidate = _new_payment(till, charge, Status.PENDING)
    payment, is_new = repeat_on_collision(lambda: _find_or_add(till, candidate))
    if not _is_for(payment, charge):
        raise PaymentMismatch
    if payment.status == Status.PENDING:
        with suppress(ProviderSilent, CircuitOpen):
            attempt = _authorise_card if is_new else _authorise_again
            payment = attempt(till, payment)
    return _unless_refused(payment)


def confirm_from_record(till: Till, payment: Payment) -> Payment | None:
    """Authorise a pending payment that the provider's record has; None when it has not.

    Raises:
        ProviderSilent: the record can't be read now.
    """
    if _is_on_record(till, payment, Kind.AUTHORISE):
        return _settle(till, payment, Status.AUTHORISED)
    return None


def catch_up(till: Till, payment: Payment) -> Payment:
    """Bring a payment to where the provider's record has it; safe to repeat.

    What the record does not have is left as it is: it may be on its way.

    Raises:
        ProviderSilent: the record can't be read now.
    """
    if payment.status == Status.PENDING:
        payment = confirm_from_record(till, payment) or payment
    if payment.status in UNSETTLED and _is_on_record(till, payment, Kind.VOID):
        return _settle(till, payment, Status.VOIDED)
    if payment.status == Status.AUTHORISED and _is_on_record(till, payment, Kind.CAPTURE):
        return _book_capture(till, payment)
    return payment


def capture(till: Till, payment_id: str) -> Payment:
    """Take what is on hold; safe to repeat.

    Raises:
        PaymentNotFound: there is no such payment.
        IllegalTransition: nothing is on hold.
        ProviderSilent: it may be taken or not; repeating finds out.
    """
    payment = find_payment(till, payment_id)
    if payment.captured_minor:
        return payment
    _require_edge(payment, Status.CAPTURED, "be captured")
    till.provider.capture(instruction_for(payment, Kind.CAPTURE))
    crash.here(AFTER_PROVIDER)
    return _book_capture(till, payment)


def void(till: Till, payment_id: str) -> Payment:
    """Make sure that nothing is on hold, now or later; safe to repeat.

    Raises:
        PaymentNotFound: there is no such payment.
        IllegalTransition: the money was taken.
        ProviderSilent: it may be on hold or not; repeating finds out.
    """
    return _void(till, find_payment(till, payment_id))


def void_order(till: Till, order_id: str) -> Payment:
    """Void the payment of an order, or refuse the one that it has not got yet.

    Raises:
        IllegalTransition, ProviderSilent: as :func:`void` does.
    """
    tombstone = _new_payment(till, Charge(order_id, "", Money(0), ""), Status.VOIDED)
    payment, is_new = repeat_on_collision(lambda: _find_or_add(till, tombstone))
    return payment if is_new else _void(till, payment)


def find_payment(till: Till, payment_id: str) -> Payment:
    """Return a payment whoever it belongs to.

    Raises:
        PaymentNotFound: there is none.
    """
    with till.database.read() as session:
        return repository.get_payment(session, payment_id)


def show_payment(till: Till, payment_id: str, viewer: Principal) -> Payment:
    """Return a payment to its payer or an operator.

    Raises:
        PaymentNotFound: there is none, or it is somebody else's.
    """
    payment = find_payment(till, payment_id)
    if not _may_see(viewer, payment):
        raise PaymentNotFound
    return payment


def list_payments(till: Till, order_id: str, viewer: Principal) -> Sequence[Payment]:
    """Return the payments of an order that the viewer may see: none or one."""
    with till.database.read() as session:
        payment = repository.find_by_order(session, order_id)
    return [payment] if payment and _may_see(viewer, payment) else []


def instruction_for(
    payment: Payment, kind: Kind, *, amount: Money | None = None, part: str = ""
) -> Instruction:
    """Return what to tell the provider; the key is the same for each repetition.

    Args:
        payment: what it is about.
        kind: what to do.
        amount: how much, when not the whole.
        part: names one of several operations of the same kind.
    """
    key = ":".join(filter(None, (payment.id, kind, part)))
    return Instruction(payment.id, payment.order_id, amount or payment.amount, key)


def illegal(payment: Payment, wish: str) -> IllegalTransition:
    """Return the error that says what a payment can't do in its state."""
    message = f"A payment that is {payment.status} can't {wish}."
    return IllegalTransition(message, payment_status=payment.status)


def _find_or_add(till: Till, candidate: Payment) -> tuple[Payment, bool]:
    """Return the payment of an order, and whether the candidate became it."""
    with till.database.write() as session:
        payment = repository.find_by_order(session, candidate.order_id)
        if payment:
            return payment, False
        session.add(candidate)
    return candidate, True


def _new_payment(till: Till, charge: Charge, status: Status) -> Payment:
    now = till.clock.now()
    return Payment(
        id=new_payment_id(),
        order_id=charge.order_id,
        user_id=charge.user_id,
        status=status,
        currency=charge.amount.currency,
        amount_minor=charge.amount.amount_minor,
        card_token=charge.token,
        created_at=now,
        updated_at=now,
        settle_at=till.settle_at(now) if status in UNSETTLED else None,
    )


def _is_on_record(till: Till, payment: Payment, kind: Kind) -> bool:
    key = instruction_for(payment, kind).idempotency_key
    return till.provider.find_operation(key) is not None


def _void(till: Till, payment: Payment) -> Payment:
    # Nothing is on hold after a refusal either.
    if payment.status in {Status.VOIDED, Status.DECLINED}:
        return payment
    _require_edge(payment, Status.VOIDED, "be voided")
    till.provider.void(instruction_for(payment, Kind.VOID))
    crash.here(AFTER_PROVIDER)
    return _settle(till, payment, Status.VOIDED)


def _authorise_again(till: Till, payment: Payment) -> Payment:
    """Take the record's word; where it has none, ask the provider again unless it is silent."""
    if found := confirm_from_record(till, payment):
        return found
    with till.repeating.acquire() as permit:
        try:
            payment = _authorise_card(till, payment)
        except ProviderSilent:
            permit.outcome = Outcome.FAILED
            raise
        permit.outcome = Outcome.SUCCEEDED
    return payment


def _authorise_card(till: Till, payment: Payment) -> Payment:
    instruction = instruction_for(payment, Kind.AUTHORISE)
    try:
        till.provider.authorise(instruction, payment.card_token)
    except CardRefused as refusal:
        return _settle(till, payment, Status.DECLINED, refusal=refusal.code)
    crash.here(AFTER_PROVIDER)
    return _settle(till, payment, Status.AUTHORISED)


def _settle(till: Till, payment: Payment, target: Status, **changes: Any) -> Payment:
    """Record how it ended, unless a rival has recorded it; return the payment as it is now."""
    now = till.clock.now()
    changes["settle_at"] = till.settle_at(now) if target in UNSETTLED else None
    with till.database.write() as session:
        # The token has done its work; what is not kept can't leak.
        moved = repository.move(session, payment.id, target, now, card_token="", **changes)
        payment = moved or repository.get_payment(session, payment.id)
    crash.here(AFTER_RECORD)
    return payment


def _book_capture(till: Till, payment: Payment) -> Payment:
    now = till.clock.now()
    posting = instruction_for(payment, Kind.CAPTURE).idempotency_key
    changes = {"captured_minor": payment.amount_minor, "settle_at": None}
    with till.database.write() as session:
        captured = repository.move(session, payment.id, Status.CAPTURED, now, **changes)
        if captured is None:
            return repository.get_payment(session, payment.id)
        ledger.post_capture(session, posting, payment.amount, now)
    crash.here(AFTER_RECORD)
    return captured


def _is_for(payment: Payment, charge: Charge) -> bool:
    # What a void left behind knows no more than the order.
    is_voided = payment.status == Status.VOIDED
    return is_voided or (payment.amount, payment.user_id) == (charge.amount, charge.user_id)


def _unless_refused(payment: Payment) -> Payment:
    if payment.refusal:
        raise CARD_REFUSALS[payment.refusal]
    if payment.status == Status.VOIDED:
        raise illegal(payment, "be authorised")
    return payment


def _require_edge(payment: Payment, target: Status, wish: str) -> None:
    if target not in EDGES[Status(payment.status)]:
        raise illegal(payment, wish)


def _may_see(viewer: Principal, payment: Payment) -> bool:
    return viewer.subject == payment.user_id or OPERATOR in viewer.roles
