"""Give money back, in parts or whole, once for each idempotency key.

The amount is claimed before the provider is asked, so that refunds under way at the same time
never exceed what was taken.  A refund whose answer got lost is carried on by the next request with
its key, or else by the settling: the provider recognises the repetition.  What is refused changes
nothing and is not remembered.
"""

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from chassis import crash
from chassis.errors import Invalid
from contracts.money import Money
from storage import idempotency
from storage.database import repeat_on_collision
from storage.idempotency import StoredAnswer

from . import ledger, repository
from .domain import Kind
from .errors import RefundExceedsCaptured
from .models import IdempotencyRecord, Payment, Refund
from .provider import Instruction
from .service import (
    AFTER_PROVIDER,
    AFTER_RECORD,
    Till,
    find_payment,
    illegal,
    instruction_for,
)

Render = Callable[[Payment], StoredAnswer]
"""Make the answer that shows a payment after its refund."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RefundWish:
    """Ask for money back; without an amount, for all that is left."""

    payment_id: str
    amount: Money | None
    key: str

    @property
    def request(self) -> idempotency.Request:
        """Return what tells this request from others; a key counts within its payment."""
        return idempotency.Request(
            self.payment_id, self.key, idempotency.fingerprint("refund", str(self.amount))
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """Hold an answer; ``replayed`` when it was given before."""

    answer: StoredAnswer
    replayed: bool = False


def refund(till: Till, wish: RefundWish, render: Render) -> Reply:
    """Give money back and return the answer, the same one for each repetition.

    Raises:
        PaymentNotFound: there is no such payment.
        IdempotencyKeyReused: the key belongs to a refund of another amount.
        IllegalTransition: nothing was taken yet.
        RefundExceedsCaptured: less than the amount is left.
        ProviderSilent: it may be sent or not; the same key finds out.
    """
    payment, claimed, answer = repeat_on_collision(lambda: _begin(till, wish))
    if answer:
        return Reply(answer, replayed=True)
    instruction = _instruction_for(payment, claimed)
    till.provider.refund(instruction)
    crash.here(AFTER_PROVIDER)
    reply = _complete(till, wish, claimed.id, instruction, render)
    crash.here(AFTER_RECORD)
    return reply


def carry_on(till: Till, claimed: Refund) -> None:
    """Have a refund that was claimed sent, and book it; safe to repeat.

    Raises:
        OperationRefused: the provider's record does not allow it.
        ProviderSilent: it may be sent or not; repeating finds out.
    """
    instruction = _instruction_for(find_payment(till, claimed.payment_id), claimed)
    till.provider.refund(instruction)
    crash.here(AFTER_PROVIDER)
    with till.database.write() as session:
        _book(session, claimed.id, instruction, till.clock.now())


def confirm_from_record(till: Till, payment: Payment) -> None:
    """Book the refunds of a payment that the provider has made without our knowing.

    Raises:
        ProviderSilent: the record can't be read now.
    """
    with till.database.read() as session:
        unfinished = repository.list_unfinished_refunds(session, payment.id)
    for claimed in unfinished:
        instruction = _instruction_for(payment, claimed)
        if till.provider.find_operation(instruction.idempotency_key):
            with till.database.write() as session:
                _book(session, claimed.id, instruction, till.clock.now())


def _instruction_for(payment: Payment, claimed: Refund) -> Instruction:
    amount = Money(claimed.amount_minor, payment.currency)
    return instruction_for(payment, Kind.REFUND, amount=amount, part=claimed.id)


def _begin(till: Till, wish: RefundWish) -> tuple[Payment, Refund, StoredAnswer | None]:
    """Return the payment, the refund that the key stands for, and its answer once there is one."""
    now = till.clock.now()
    with till.database.write() as session:
        # What is left, and who came first with the key, must not change before this is written.
        payment = repository.get_payment(session, wish.payment_id, lock=True)
        record = idempotency.find(session, IdempotencyRecord, wish.request)
        if record:
            claimed = session.get_one(Refund, record.subject)
            return payment, claimed, idempotency.answer_of(record)
        idempotency.forget_older(session, IdempotencyRecord, now, till.idempotency_seconds)
        claimed = _claim(session, payment, wish.amount or payment.refundable, now)
        claimed.settle_at = till.settle_at(now)
        idempotency.claim(session, IdempotencyRecord, wish.request, claimed.id, now)
        return payment, claimed, None


def _claim(session: Session, payment: Payment, amount: Money, at: datetime) -> Refund:
    if not payment.captured_minor:
        raise illegal(payment, "be refunded")
    if amount.currency != payment.currency:
        raise Invalid(errors={"amount": {"currency": [f"Refund in {payment.currency}."]}})
    # The rest of nothing is no refund either.
    if not amount.amount_minor or not repository.claim_refund(session, payment.id, amount):
        left = payment.refundable
        document = {"amount_minor": left.amount_minor, "currency": left.currency}
        raise RefundExceedsCaptured(f"What is left to refund is {left}.", refundable=document)
    claimed = Refund(
        id=f"ref_{secrets.token_urlsafe(16)}",
        payment_id=payment.id,
        amount_minor=amount.amount_minor,
        created_at=at,
    )
    session.add(claimed)
    return claimed


def _complete(
    till: Till, wish: RefundWish, refund_id: str, instruction: Instruction, render: Render
) -> Reply:
    with till.database.write() as session:
        payment = _book(session, refund_id, instruction, till.clock.now())
        # Its life may have ended while the provider took its time.
        record = idempotency.find(session, IdempotencyRecord, wish.request)
        if record and (earlier := idempotency.answer_of(record)):
            return Reply(earlier, replayed=True)
        answer = render(payment)
        if record:
            key = (record.owner, record.key)
            idempotency.complete(session, IdempotencyRecord, key, answer)
    return Reply(answer)


def _book(session: Session, refund_id: str, instruction: Instruction, at: datetime) -> Payment:
    """Count a refund that the provider has made, once; return the payment as it is then."""
    # The lock lets one of two repetitions write; the other one finds it done.
    claimed = session.get_one(Refund, refund_id, with_for_update=True)
    if claimed.completed_at:
        return repository.get_payment(session, claimed.payment_id)
    payment = repository.complete_refund(session, claimed, at)
    ledger.post_refund(session, instruction.idempotency_key, instruction.amount, at)
    logger.info("payment %s refunded: %s", payment.id, instruction.amount)
    return payment
