"""Give money back, in parts or whole, once for each idempotency key.

The amount is claimed before the provider is asked, so that refunds under way at the same time
never exceed what was taken.  A refund whose answer got lost is carried on by the next request with
its key: the provider recognises the repetition.  What is refused changes nothing and is not
remembered.
"""

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from chassis.errors import Invalid
from chassis.storage import idempotency
from chassis.storage.database import repeat_on_collision
from chassis.storage.idempotency import StoredAnswer
from contracts.money import Money

from . import ledger, repository
from .domain import Kind
from .errors import RefundExceedsCaptured
from .models import IdempotencyRecord, Payment, Refund
from .provider import Instruction
from .service import Till, illegal, instruction_for

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
    amount = Money(claimed.amount_minor, payment.currency)
    instruction = instruction_for(payment, Kind.REFUND, amount=amount, part=claimed.id)
    till.provider.refund(instruction)
    return _complete(till, wish, claimed.id, instruction, render)


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
        idempotency.claim(session, IdempotencyRecord, wish.request, claimed.id, now)
        return payment, claimed, None


def _claim(session: Session, payment: Payment, amount: Money, at: datetime) -> Refund:
    if not payment.captured_minor:
        raise illegal(payment, "be refunded")
    if amount.currency != payment.currency:
        raise Invalid(errors={"amount": {"currency": [f"Refund in {payment.currency}."]}})
    # The rest of nothing is no refund either.
    if not amount.amount_minor or not repository.claim_refund(session, payment.id, amount):
        raise RefundExceedsCaptured(f"What is left to refund is {payment.refundable}.")
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
    now = till.clock.now()
    with till.database.write() as session:
        # The lock lets one of two repetitions write; the other one finds the answer.
        claimed = session.get_one(Refund, refund_id, with_for_update=True)
        # Its life may have ended while the provider took its time.
        record = idempotency.find(session, IdempotencyRecord, wish.request)
        if claimed.completed_at:
            earlier = idempotency.answer_of(record) if record else None
            payment = repository.get_payment(session, wish.payment_id)
            return Reply(earlier or render(payment), replayed=True)
        payment = repository.complete_refund(session, claimed, now)
        ledger.post_refund(session, instruction.idempotency_key, instruction.amount, now)
        answer = render(payment)
        if record:
            idempotency.complete(record, answer)
    logger.info("payment %s refunded: %s", payment.id, instruction.amount)
    return Reply(answer)
