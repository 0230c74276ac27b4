"""Store orders; each function is one short transaction or a part of the caller's.

A change of status is a conditional update: it happens once, whoever else tries.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    CursorResult,
    Executable,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session

from storage import idempotency
from storage.database import serialise

from .answers import answer_for
from .domain import EDGES, UNFINISHED, Line, Status
from .errors import IllegalTransition, OrderNotFound
from .events import Publisher
from .models import CartItem, IdempotencyRecord, Order, OrderItem, OrderTransition

# Longer than the longest request, so that nobody takes over an order that is still worked on.
LEASE_SECONDS = 15

_PRICE = (
    update(OrderItem)
    .where(OrderItem.order_id == bindparam("order"), OrderItem.product_id == bindparam("product"))
    .values(title=bindparam("title"), price_minor=bindparam("price_minor"))
)


def lock_cart(session: Session, user_id: str) -> None:
    """Let nobody else change a cart, or order it, until the transaction ends."""
    serialise(session, f"cart of {user_id}")


def add_order(session: Session, order: Order, lines: Sequence[Line], now: datetime) -> None:
    """Add a pending order with its lines, leased to the caller."""
    order.status, order.unsettled, order.owed = Status.PENDING, True, []
    order.created_at = order.updated_at = now
    order.claimed_until = lease(now)
    order.items = [
        OrderItem(
            product_id=line.product_id,
            quantity=line.quantity,
            expected_minor=line.expected.amount_minor if line.expected else None,
        )
        for line in sorted(lines, key=lambda line: line.product_id)
    ]
    # JSON columns would store None as a JSON null.
    known = {name: value for name, value in _row_of(order).items() if value is not None}
    _run(session, insert(Order), known)
    _run(session, insert(OrderItem), [{**_row_of(i), "order_id": order.id} for i in order.items])
    _record(session, order.id, None, Status.PENDING, now)


def get_order(session: Session, order_id: str, user_id: str | None, *, lock: bool = False) -> Order:
    """Return an order of a user, or anybody's when ``user_id`` is None.

    With ``lock`` it stays as it is until the transaction ends.

    Raises:
        OrderNotFound: there is none, or it is somebody else's.
    """
    # PostgreSQL fails at a NUL, which is in no id.
    known = "\0" not in order_id
    order = session.get(Order, order_id, with_for_update=lock) if known else None
    if order is None or (user_id is not None and order.user_id != user_id):
        raise OrderNotFound
    return order


def list_orders(
    session: Session, user_id: str, limit: int, before: tuple[datetime, str] | None
) -> list[Order]:
    """Return a user's orders, newest first, older than the one that ``before`` names."""
    query = select(Order).where(Order.user_id == user_id)
    if before:
        moment, order_id = before
        same_moment = (Order.created_at == moment) & (Order.id < order_id)
        query = query.where(or_(Order.created_at < moment, same_moment))
    query = query.order_by(Order.created_at.desc(), Order.id.desc()).limit(limit)
    return list(session.scalars(query))


def list_unsettled(session: Session, now: datetime, limit: int) -> list[str]:
    """Return the ids of orders with work left that nobody works on, the longest waiting first.

    There are up to ``limit`` unfinished orders, and then up to as many that only owe something, so
    that neither kind waits behind a crowd of the other.
    """
    due = select(Order.id).where(Order.unsettled, Order.claimed_until <= now)
    due = due.order_by(Order.claimed_until).limit(limit)
    unfinished = Order.status.in_(UNFINISHED)
    return [*session.scalars(due.where(unfinished)), *session.scalars(due.where(~unfinished))]


def count_unfinished(session: Session) -> tuple[dict[Status, int], datetime | None, int]:
    """Return how many orders are unfinished by status, since when, and how many owe something."""
    counts = dict.fromkeys(UNFINISHED, 0)
    since, owing = None, 0
    query = select(Order.status, func.count(), func.min(Order.created_at)).where(Order.unsettled)
    for status, count, oldest in session.execute(query.group_by(Order.status)):
        if status in counts:
            counts[Status(status)] = count
            since = min(since or oldest, oldest)
        else:
            owing += count
    return counts, since, owing


def lease(now: datetime) -> datetime:
    """Return until when whoever starts now has an order to himself."""
    return now + timedelta(seconds=LEASE_SECONDS)


def claim(session: Session, order_id: str, now: datetime) -> bool:
    """Take the lease of an order with work left; return False when somebody has it."""
    claimed = _run(
        session,
        update(Order)
        .where(Order.id == order_id, Order.unsettled, Order.claimed_until <= now)
        .values(claimed_until=lease(now)),
    )
    return _changed(claimed)


def give_back(session: Session, order: Order, now: datetime) -> None:
    """Let somebody else go on with the order."""
    _run(session, update(Order).where(Order.id == order.id).values(claimed_until=now))


def price(session: Session, order: Order) -> None:
    """Store the titles and prices that the lines of the order were given."""
    rows = [
        {
            "order": order.id,
            "product": item.product_id,
            "title": item.title,
            "price_minor": item.price_minor,
        }
        for item in order.items
    ]
    _run(session, _PRICE, rows)


def move(
    session: Session,
    order: Order,
    target: Status,
    now: datetime,
    publisher: Publisher,
    **changes: Any,
) -> None:
    """Change the status of an order along an edge, with other columns, and publish it.

    A status that settles the order also settles the answer under its idempotency key and, when
    it is confirmed, empties the cart that it came from.

    Raises:
        IllegalTransition: there is no such edge from the order's present status.
    """
    source = Status(order.status)
    if target not in EDGES[source]:
        raise IllegalTransition(f"An order that is {source} can't become {target}.")
    unsettled = target in UNFINISHED or bool(changes.get("owed", order.owed))
    values = {"status": target, "unsettled": unsettled, "updated_at": now, **changes}
    if target is not Status.RESERVED:
        # The lease has done its work, unless the caller goes on and says so.
        values.setdefault("claimed_until", now)
    _change(session, order, source, values)
    _record(session, order.id, source, target, now)
    publisher.publish(session, order, source, now)
    if source in UNFINISHED and target not in UNFINISHED:
        _settle(session, order)


def owe(session: Session, order: Order, owed: Sequence[str], now: datetime) -> None:
    """Store which compensations are left, and give the lease back."""
    values = {"owed": list(owed), "unsettled": bool(owed), "claimed_until": now}
    _run(session, update(Order).where(Order.id == order.id).values(**values))
    for name, value in values.items():
        setattr(order, name, value)


def give_key_back(session: Session, order: Order) -> None:
    """Forget the idempotency key of an order that was refused as not valid."""
    record = session.get(IdempotencyRecord, (order.user_id, order.idempotency_key))
    if record is not None:
        session.delete(record)
    _run(session, update(Order).where(Order.id == order.id).values(idempotency_key=None))


def _change(session: Session, order: Order, source: Status, values: Mapping[str, Any]) -> None:
    """Store new values, unless somebody else changed the status first."""
    still = (Order.id == order.id) & (Order.status == source)
    if not _changed(_run(session, update(Order).where(still).values(**values))):
        raise IllegalTransition("The order changed in the meantime; look at it again.")
    for name, value in values.items():
        setattr(order, name, value)


def _settle(session: Session, order: Order) -> None:
    if order.idempotency_key:
        key = (order.user_id, order.idempotency_key)
        idempotency.complete(session, IdempotencyRecord, key, answer_for(order))
    if order.status == Status.CONFIRMED and order.from_cart:
        _empty_cart(session, order)


def _empty_cart(session: Session, order: Order) -> None:
    # Only what was ordered: the buyer may have put something else in while the order ran.
    ordered = [item.product_id for item in order.items]
    lock_cart(session, order.user_id)
    session.execute(
        delete(CartItem).where(CartItem.user_id == order.user_id, CartItem.product_id.in_(ordered))
    )


def _record(
    session: Session, order_id: str, source: Status | None, target: Status, now: datetime
) -> None:
    values = {"order_id": order_id, "source": source, "target": target, "at": now}
    _run(session, insert(OrderTransition), values)


def _row_of(made: Order | OrderItem) -> dict[str, Any]:
    return {column.key: getattr(made, column.key) for column in made.__table__.columns}


def _run(session: Session, statement: Executable, values: Any = None) -> CursorResult[Any]:
    # Past the unit of work, which has nothing to do here and takes as long as the statement.
    return session.connection().execute(statement, values)


def _changed(result: Any) -> bool:
    return bool(result.rowcount == 1)
