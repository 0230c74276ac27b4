"""Find payments and change them, each change in one conditional statement.

Pattern: Repository (Evans, Domain-Driven Design, chapter 6).  A change names the state that it
starts from in its own ``WHERE``, so that of two at once one happens, on every database.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Update, case, select, update
from sqlalchemy.orm import Session

from contracts.money import Money

from .domain import Status, is_payment_id, sources_of
from .errors import PaymentNotFound
from .models import Payment, Refund


def get_payment(session: Session, payment_id: str, *, lock: bool = False) -> Payment:
    """Return a payment; with ``lock`` it stays as it is until the transaction ends.

    Raises:
        PaymentNotFound: there is none.
    """
    known = is_payment_id(payment_id)
    payment = session.get(Payment, payment_id, with_for_update=lock) if known else None
    if payment is None:
        raise PaymentNotFound
    return payment


def find_by_order(session: Session, order_id: str) -> Payment | None:
    """Return the payment of an order, if it has one."""
    return session.scalar(select(Payment).where(Payment.order_id == order_id))


def move(
    session: Session, payment_id: str, target: Status, at: datetime, **changes: Any
) -> Payment | None:
    """Bring a payment to a state and return it, or None where its state does not lead there."""
    statement = (
        update(Payment)
        .where(Payment.id == payment_id, Payment.status.in_(sources_of(target)))
        .values(status=target, updated_at=at, **changes)
    )
    return _changed(session, statement)


def claim_refund(session: Session, payment_id: str, amount: Money) -> Payment | None:
    """Set an amount aside for a refund, or return None where less is left of what was taken."""
    statement = (
        update(Payment)
        .where(
            Payment.id == payment_id,
            Payment.claimed_minor + amount.amount_minor <= Payment.captured_minor,
        )
        .values(claimed_minor=Payment.claimed_minor + amount.amount_minor)
    )
    return _changed(session, statement)


def complete_refund(session: Session, refund: Refund, at: datetime) -> Payment:
    """Count a claimed refund as made; the last one makes the payment refunded.

    Raises:
        PaymentNotFound: there is no such payment.
    """
    refund.completed_at = at
    refunded_minor = Payment.refunded_minor + refund.amount_minor
    status = case((refunded_minor == Payment.captured_minor, Status.REFUNDED), else_=Payment.status)
    statement = (
        update(Payment)
        .where(Payment.id == refund.payment_id)
        .values(refunded_minor=refunded_minor, status=status, updated_at=at)
    )
    payment = _changed(session, statement)
    if payment is None:
        raise PaymentNotFound
    return payment


def _changed(session: Session, statement: Update) -> Payment | None:
    # The row is read back from the statement itself, whatever the session has seen before.
    options = {"synchronize_session": False, "populate_existing": True}
    return session.scalar(statement.returning(Payment), execution_options=options)
