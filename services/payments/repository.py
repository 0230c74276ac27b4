"""Find payments and change them, each change in one conditional statement.

Pattern: Repository (Evans, Domain-Driven Design, chapter 6).  A change names the state that it
starts from in its own ``WHERE``, so that of two at once one happens, on every database.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Update, case, func, select, update
from sqlalchemy.orm import Session

from contracts.money import Money

from .domain import UNSETTLED, Status, is_payment_id, sources_of
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


def postpone(session: Session, item: Payment | Refund, later: datetime) -> bool:
    """Put off the next look at something unsettled; False where somebody else has done so."""
    kind = type(item)
    statement = (
        update(kind)
        .where(kind.id == item.id, kind.settle_at == item.settle_at)
        .values(settle_at=later)
        .returning(kind.id)
    )
    return session.scalar(statement) is not None


def list_due_payments(session: Session, now: datetime, limit: int) -> Sequence[Payment]:
    """Return payments whose time has come to be held against the record, longest due first."""
    due = select(Payment).where(Payment.settle_at <= now).order_by(Payment.settle_at).limit(limit)
    return session.scalars(due).all()


def list_due_refunds(session: Session, now: datetime, limit: int) -> Sequence[Refund]:
    """Return refunds whose time has come to be asked for again, longest due first."""
    due = select(Refund).where(Refund.completed_at.is_(None), Refund.settle_at <= now)
    return session.scalars(due.order_by(Refund.settle_at).limit(limit)).all()


def list_unfinished_refunds(session: Session, payment_id: str) -> Sequence[Refund]:
    """Return the refunds of a payment that the provider has not confirmed, oldest first."""
    unfinished = select(Refund).where(
        Refund.payment_id == payment_id, Refund.completed_at.is_(None)
    )
    return session.scalars(unfinished.order_by(Refund.created_at, Refund.id)).all()


def count_unsettled(session: Session) -> dict[Status, tuple[int, datetime]]:
    """Return how many payments are in each unsettled state, and since when the oldest exists."""
    # All of these have a time to be settled at, and only that finds them by the index.
    statement = (
        select(Payment.status, func.count(), func.min(Payment.created_at))
        .where(Payment.settle_at.is_not(None), Payment.status.in_(UNSETTLED))
        .group_by(Payment.status)
    )
    return {Status(status): (count, at) for status, count, at in session.execute(statement)}


def count_unfinished_refunds(session: Session) -> tuple[int, datetime | None]:
    """Return how many refunds are unfinished, and since when the oldest exists."""
    statement = select(func.count(), func.min(Refund.created_at))
    count, oldest = session.execute(statement.where(Refund.completed_at.is_(None))).one()
    return count, oldest


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
    refund.completed_at, refund.settle_at = at, None
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
