"""Hold goods back for orders: the use cases that decide about stock.

Pattern: Reservation, as the pending state of a saga's step (Richardson, Microservices Patterns,
4.3, semantic lock).  Each function is one part of the caller's write transaction, takes effect
once however often it is called, and changes stock only by conditional updates.

A sweep puts the goods of expired reservations back on sale every second, and whoever writes or
reads stock does so first, so that the count is exact for all who look.  Expiring has transactions
of its own: reservations are locked before products, and products in the order of their ids, so
that no two transactions wait for each other.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from storage.database import Collision, Database

from . import repository
from .domain import (
    CONFIRM,
    RELEASE,
    RESTOCK,
    Move,
    Reservation,
    ReservedLine,
    Status,
    refusal,
)
from .errors import OutOfStock, ReservationMismatch, ReservationNotFound, UnknownProduct


def reserve(
    session: Session, reservation_id: str, wanted: Mapping[int, int], now: datetime, seconds: float
) -> tuple[Reservation, bool]:
    """Hold back all of the wanted quantities, or nothing; tell whether the reservation is new.

    Args:
        session: a write transaction, to be rolled back when an error passes.
        reservation_id: whoever repeats it gets the same reservation.
        wanted: quantities by product id, in the order of ids.
        now: the time.
        seconds: how long the goods are held back.

    Raises:
        OutOfStock: at least one product has fewer.
        UnknownProduct: at least one product does not exist.
        ReservationMismatch: the id already stands for other goods.
        ReservationReleased: it was released, perhaps before it was made.
        ReservationExpired: it was not confirmed in time.
    """
    existing = repository.find_reservation(session, reservation_id)
    if existing is not None:
        return _repeated(existing, wanted, now), False
    lines = _offers(session, wanted)
    expires_at = now + timedelta(seconds=seconds)
    reservation = Reservation(reservation_id, Status.HELD, expires_at, tuple(lines))
    # First, because a rival with the same id must not find too few goods, but this reservation.
    repository.add_reservation(session, reservation)
    _take(session, wanted)
    repository.add_lines(session, reservation)
    return reservation, True


def _repeated(existing: Reservation, wanted: Mapping[int, int], now: datetime) -> Reservation:
    status = existing.status_at(now)
    if status not in {Status.HELD, Status.CONFIRMED}:
        raise refusal(status)
    if existing.quantities() != wanted:
        raise ReservationMismatch
    return existing


def _offers(session: Session, wanted: Mapping[int, int]) -> list[ReservedLine]:
    lines = repository.offers_of(session, wanted)
    unknown = sorted(wanted.keys() - {line.product_id for line in lines})
    if unknown:
        raise UnknownProduct(product_ids=unknown)
    return lines


def _take(session: Session, wanted: Mapping[int, int]) -> None:
    short = [
        product_id
        for product_id, quantity in wanted.items()
        if not repository.take_stock(session, product_id, quantity)
    ]
    if short:
        available = repository.stock_of(session, short)
        raise OutOfStock(
            items=[
                {"product_id": product_id, "requested": wanted[product_id], "available": stock}
                for product_id, stock in sorted(available.items())
            ]
        )


def confirm(session: Session, reservation_id: str, now: datetime) -> Status:
    """Make a reservation final: the goods are sold.

    Raises:
        ReservationNotFound: nobody made it.
        Conflict: it expired, was released, or its goods were put back.
    """
    return _settle(session, reservation_id, CONFIRM, now)


def release(session: Session, reservation_id: str, now: datetime) -> Status:
    """Put held goods back on sale.

    A reservation that nobody made yet is noted as released, so that a request which was overtaken
    on its way can't hold anything back later.

    Raises:
        Conflict: it was confirmed.
    """
    try:
        return _settle(session, reservation_id, RELEASE, now)
    except ReservationNotFound:
        tombstone = Reservation(reservation_id, Status.RELEASED, expires_at=now)
        repository.add_reservation(session, tombstone)
        return tombstone.status


def restock(session: Session, reservation_id: str, now: datetime) -> Status:
    """Put sold goods back on sale.

    Raises:
        ReservationNotFound: nobody made it.
        Conflict: it was never confirmed.
    """
    return _settle(session, reservation_id, RESTOCK, now)


def get_reservation(session: Session, reservation_id: str) -> Reservation:
    """Return a reservation.

    Raises:
        ReservationNotFound: nobody made it.
    """
    reservation = repository.find_reservation(session, reservation_id)
    if reservation is None:
        raise ReservationNotFound
    return reservation


def expire_reservations(database: Database, now: datetime) -> int:
    """Put the goods of reservations past their life back on sale, and return how many expired.

    It writes only when there are such reservations, a batch in a transaction; several processes
    may do so at once.
    """
    with database.read() as session:
        if not repository.has_due_reservations(session, now):
            return 0
    expired = 0
    while count := _expire_some(database, now):
        expired += count
    return expired


def _expire_some(database: Database, now: datetime) -> int:
    with database.write() as session:
        ids = repository.expire_some(session, now)
        repository.return_goods(session, ids)
    return len(ids)


def _settle(session: Session, reservation_id: str, move: Move, now: datetime) -> Status:
    if repository.advance(session, reservation_id, move, now):
        if move.returns_goods:
            repository.return_goods(session, [reservation_id])
        return move.target
    # Either it was done before, or it must not be done: the state tells.
    status = get_reservation(session, reservation_id).status_at(now)
    if status is move.source:
        raise Collision("The reservation changed between two looks.")
    if status not in move.done:
        raise refusal(status)
    return status
