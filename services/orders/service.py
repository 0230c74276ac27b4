"""Place and show orders: the use cases of a buyer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from chassis import crash
from chassis.clock import Clock
from chassis.errors import Invalid, ServiceError
from storage import idempotency
from storage.database import Database, repeat_on_collision
from storage.idempotency import InProgress, StoredAnswer

from . import cart, repository
from .answers import answer_for
from .clients import Clients
from .domain import MAX_QUANTITY, UNFINISHED, Line, Status, new_order_id
from .errors import EmptyCart, OrderUnfinished
from .events import Publisher
from .models import IdempotencyRecord, Order
from .saga import Saga


@dataclass(frozen=True)
class Shop:
    """Hold what the use cases work with."""

    database: Database
    clients: Clients
    clock: Clock
    publisher: Publisher

    @property
    def saga(self) -> Saga:
        """Return what carries orders through."""
        return Saga(self.database, self.clients, self.clock, self.publisher)


@dataclass(frozen=True)
class Placement:
    """Ask for an order; without ``lines`` it takes those of the cart."""

    user_id: str
    key: str
    lines: Sequence[Line] | None
    card_token: str
    shipping_address: dict[str, Any]

    @property
    def request(self) -> idempotency.Request:
        """Return what tells this request from others."""
        lines = [[line.product_id, line.quantity] for line in self.lines or ()]
        digest = idempotency.fingerprint("order", lines, self.card_token, self.shipping_address)
        return idempotency.Request(self.user_id, self.key, digest)


@dataclass(frozen=True)
class Attempt:
    """Hold the order that a request is about, and its answer when that is known already."""

    order: Order
    fresh: bool = False
    answer: StoredAnswer | None = None


def place_order(shop: Shop, wanted: Placement) -> tuple[StoredAnswer, bool]:
    """Place an order once, however often it is asked for; return the answer and if it is a replay.

    Raises:
        InProgress: the first request with this key is still running.
        OrderUnfinished: an order that stopped half-way can't go on yet.
        ServiceError: a neighbour is away, or the order asked for what does not exist; nothing
            was ordered.
    """
    # Of two at the same moment the second one finds the order of the first.
    attempt = repeat_on_collision(lambda: _begin(shop, wanted))
    if attempt.answer:
        return attempt.answer, True
    if attempt.fresh:
        crash.here("orders:after_commit_before_reserve")
        shop.saga.advance(attempt.order)
    else:
        resume(shop, attempt.order)
    if attempt.order.status == Status.PAYMENT_PENDING:
        _give_back(shop, attempt.order)
    return answer_for(attempt.order), not attempt.fresh


def resume(shop: Shop, order: Order) -> None:
    """Advance an order that stopped half-way and that the caller has claimed.

    Raises:
        OrderUnfinished: a neighbour is away; the lease is given back.
    """
    try:
        shop.saga.advance(order, resumed=True)
    except ServiceError as error:
        if order.status not in UNFINISHED:
            raise
        _give_back(shop, order)
        message = f"Send the same request again to go on. {error.detail}"
        raise OrderUnfinished(message, order_id=order.id) from error


def show_order(shop: Shop, order_id: str, user_id: str | None) -> Order:
    """Return an order of a user, or anybody's when ``user_id`` is None."""
    with shop.database.read() as session:
        return repository.get_order(session, order_id, user_id)


def list_orders(
    shop: Shop, user_id: str, limit: int, before: tuple[datetime, str] | None
) -> list[Order]:
    """Return a user's orders, newest first."""
    with shop.database.read() as session:
        return repository.list_orders(session, user_id, limit, before)


def _begin(shop: Shop, wanted: Placement) -> Attempt:
    now = shop.clock.now()
    with shop.database.write() as session:
        record = idempotency.find(session, IdempotencyRecord, wanted.request)
        if record is not None:
            return _seen(session, record, now)
        order = _new_order(wanted)
        lines = (
            wanted.lines
            if wanted.lines is not None
            else cart.lines_to_order(session, wanted.user_id)
        )
        repository.add_order(session, order, _merged(lines), now)
        idempotency.claim(session, IdempotencyRecord, wanted.request, order.id, now)
        crash.here("orders:before_commit")
        return Attempt(order, fresh=True)


def _new_order(wanted: Placement) -> Order:
    return Order(
        id=new_order_id(),
        user_id=wanted.user_id,
        idempotency_key=wanted.key,
        from_cart=wanted.lines is None,
        card_token=wanted.card_token,
        shipping_address=wanted.shipping_address,
    )


def _seen(session: Session, record: IdempotencyRecord, now: datetime) -> Attempt:
    order = repository.get_order(session, record.subject, record.owner, lock=True)
    # Whoever ends an order changes it first, and then its record.
    session.refresh(record)
    stored = idempotency.answer_of(record)
    if stored:
        return Attempt(order, answer=stored)
    if repository.claim(session, order.id, now):
        return Attempt(order)
    if order.status == Status.PAYMENT_PENDING:
        return Attempt(order, answer=answer_for(order))
    raise InProgress("Wait for the answer to the first request, or ask again in a second.")


def _merged(lines: Sequence[Line]) -> list[Line]:
    if not lines:
        raise EmptyCart("Put something into the cart, or name the items.")
    merged: dict[int, Line] = {}
    for line in lines:
        seen = merged.get(line.product_id)
        quantity = line.quantity + (seen.quantity if seen else 0)
        if quantity > MAX_QUANTITY:
            message = f"At most {MAX_QUANTITY} of a product go into an order."
            raise Invalid(message, errors={"items": [message]})
        merged[line.product_id] = Line(line.product_id, quantity, line.expected)
    return list(merged.values())


def _give_back(shop: Shop, order: Order) -> None:
    with shop.database.write() as session:
        repository.give_back(session, order, shop.clock.now())
