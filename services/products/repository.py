"""Put the questions and changes of this service into SQL, portable and few.

What decides about stock and states is a conditional UPDATE: the database checks and changes in
one step, whoever else does the same.  Rows are changed in the order of their keys, so that two
transactions never wait for each other.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Executable,
    Row,
    String,
    bindparam,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from chassis.errors import Invalid
from chassis.inbound.pagination import decode_cursor, encode_cursor
from contracts.money import Money

from .domain import EXPIRE, HeldGoods, Move, ProductQuery, Reservation, ReservedLine, Status, folded
from .models import TAG_SEPARATOR, Product, ReservationLineRow, ReservationRow

# SQLite takes 32,766 values in a statement; this many hold its write lock for milliseconds.
EXPIRY_BATCH = 500

_SORT_COLUMNS: Final[Mapping[str, tuple[InstrumentedAttribute[Any], ...]]] = {
    "id": (Product.id,),
    "title": (Product.title, Product.id),
    "price": (Product.price_minor, Product.id),
    "stock": (Product.stock, Product.id),
}

_FILTERS: Final[Mapping[str, Callable[[Any], ColumnElement[bool]]]] = {
    "category": lambda slug: Product.category == slug,
    "brand": lambda brand: Product.brand == brand,
    "tag": lambda tag: Product.tag_text.contains(
        f"{TAG_SEPARATOR}{tag}{TAG_SEPARATOR}", autoescape=True
    ),
    "q": lambda text: Product.search_text.contains(folded(text), autoescape=True),
    "min_price": lambda amount_minor: Product.price_minor >= amount_minor,
    "max_price": lambda amount_minor: Product.price_minor <= amount_minor,
    "in_stock": lambda wanted: Product.stock > 0 if wanted else Product.stock == 0,
    "ids": Product.id.in_,
}

# Statements of the way to an order are built once: building one costs five times its execution.
_OFFERS: Final = (
    select(Product.id, Product.title, Product.price_minor, Product.currency)
    .where(Product.id.in_(bindparam("products", expanding=True)))
    .order_by(Product.id)
)
_SET_STOCK: Final = (
    update(Product).where(Product.id == bindparam("product")).values(stock=bindparam("quantity"))
)
_TAKE_STOCK: Final = (
    update(Product)
    .where(Product.id == bindparam("product"), Product.stock >= bindparam("quantity"))
    .values(stock=Product.stock - bindparam("quantity"))
)
_RETURN_STOCK: Final = (
    update(Product)
    .where(Product.id == bindparam("product"))
    .values(stock=Product.stock + bindparam("quantity"))
)
_RESERVATION: Final = (
    select(
        ReservationRow.status,
        ReservationRow.expires_at,
        ReservationLineRow.product_id,
        ReservationLineRow.quantity,
        ReservationLineRow.title,
        ReservationLineRow.price_minor,
        ReservationLineRow.currency,
    )
    .outerjoin(ReservationLineRow, ReservationLineRow.reservation_id == ReservationRow.id)
    .where(ReservationRow.id == bindparam("reservation"))
    .order_by(ReservationLineRow.product_id)
)
_ADD_RESERVATION: Final = insert(ReservationRow)
_ADD_LINES: Final = insert(ReservationLineRow)
_ADVANCE: Final = (
    update(ReservationRow)
    .where(
        ReservationRow.id == bindparam("reservation"),
        ReservationRow.status == bindparam("source"),
        or_(ReservationRow.status != Status.HELD, ReservationRow.expires_at > bindparam("now")),
    )
    .values(status=bindparam("target"))
)
_DUE: Final = select(ReservationRow.id).where(
    ReservationRow.status == Status.HELD, ReservationRow.expires_at <= bindparam("now")
)
# Locked in the order of keys; what a rival has settled while this waited is left out.
_LOCK_DUE: Final = _DUE.order_by(ReservationRow.id).limit(EXPIRY_BATCH).with_for_update()
_EXPIRE: Final = (
    update(ReservationRow)
    .where(
        ReservationRow.status == Status.HELD,
        ReservationRow.id.in_(bindparam("reservations", expanding=True)),
    )
    .values(status=EXPIRE.target)
    .returning(ReservationRow.id)
)
_LIVE: Final = (
    select(
        func.count(ReservationRow.id.distinct()),
        func.sum(ReservationLineRow.quantity),
        func.min(ReservationRow.expires_at),
    )
    .join(ReservationLineRow, ReservationLineRow.reservation_id == ReservationRow.id)
    .where(ReservationRow.status == Status.HELD)
)
_HELD_GOODS: Final = (
    select(ReservationLineRow.product_id, func.sum(ReservationLineRow.quantity))
    .where(ReservationLineRow.reservation_id.in_(bindparam("reservations", expanding=True)))
    .group_by(ReservationLineRow.product_id)
    .order_by(ReservationLineRow.product_id)
)


def _run(session: Session, statement: Executable, **values: Any) -> CursorResult[*tuple[Any, ...]]:
    # Past the unit of work, which has nothing to do here and takes as long as the statement.
    return session.connection().execute(statement, values)


def is_empty(session: Session) -> bool:
    """Tell whether the catalogue has no product at all."""
    return session.scalar(select(Product.id).limit(1)) is None


def leave_ids_out(session: Session) -> None:
    """Give new products ids above the present ones, as SQLite does by itself."""
    if session.connection().dialect.name == "postgresql":
        counter = func.pg_get_serial_sequence(Product.__tablename__, Product.id.key)
        session.execute(select(func.setval(counter, func.max(Product.id))))


def find_page(session: Session, query: ProductQuery) -> tuple[list[Product], str | None]:
    """Return a page of products, and the cursor of the next one or None.

    Raises:
        Invalid: the cursor belongs to another sort or other filters.
    """
    columns = _SORT_COLUMNS[query.sort_key]
    order = [column.desc() if query.descending else column.asc() for column in columns]
    statement = select(Product).where(*_conditions(query)).order_by(*order)
    # One more than asked for tells whether there is a next page.
    found = list(session.scalars(statement.limit(query.limit + 1)))
    if len(found) <= query.limit:
        return found, None
    page = found[: query.limit]
    position = [getattr(page[-1], column.key) for column in columns]
    return page, encode_cursor([query.fingerprint(), *position])


def _conditions(query: ProductQuery) -> list[ColumnElement[bool]]:
    given = ((build, getattr(query, name)) for name, build in _FILTERS.items())
    conditions = [build(value) for build, value in given if value is not None]
    if query.cursor is not None:
        conditions.append(_after(query, query.cursor))
    return conditions


def _after(query: ProductQuery, cursor: str) -> ColumnElement[bool]:
    columns = _SORT_COLUMNS[query.sort_key]
    types = [str if isinstance(column.type, String) else int for column in columns]
    fingerprint, *position = decode_cursor(cursor, [str, *types])
    if fingerprint != query.fingerprint():
        message = "The cursor belongs to another sort or to other filters."
        raise Invalid(message, errors={"cursor": ["Not a cursor of this list."]})
    row, last = tuple_(*columns), tuple_(*position)
    return row < last if query.descending else row > last


def count_by_category(session: Session) -> Sequence[Row[str, int]]:
    """Return the slug and the number of products of each category, by slug."""
    statement = select(Product.category, func.count()).group_by(Product.category)
    return session.execute(statement.order_by(Product.category)).all()


def find_imported(session: Session, source_keys: Collection[str]) -> dict[str, Product]:
    """Return the products that were imported before, by source key."""
    statement = select(Product).where(Product.source_key.in_(source_keys))
    return {product.source_key or "": product for product in session.scalars(statement)}


def set_stock(session: Session, product_id: int, stock: int) -> bool:
    """Set what can be bought now; False when there is no such product."""
    return _run(session, _SET_STOCK, product=product_id, quantity=stock).rowcount == 1


def take_stock(session: Session, product_id: int, quantity: int) -> bool:
    """Take goods off the stock; False when it holds fewer."""
    return _run(session, _TAKE_STOCK, product=product_id, quantity=quantity).rowcount == 1


def stock_of(session: Session, product_ids: Collection[int]) -> dict[int, int]:
    """Return what can be bought now of each product."""
    statement = select(Product.id, Product.stock).where(Product.id.in_(product_ids))
    return dict(session.execute(statement).all())


def offers_of(session: Session, wanted: Mapping[int, int]) -> list[ReservedLine]:
    """Return lines for the wanted quantities of the products that exist, by product id."""
    rows = _run(session, _OFFERS, products=list(wanted))
    return [
        ReservedLine(product_id, wanted[product_id], title, Money(price_minor, currency))
        for product_id, title, price_minor, currency in rows
    ]


def find_reservation(session: Session, reservation_id: str) -> Reservation | None:
    """Return a reservation with its lines by product id."""
    rows = _run(session, _RESERVATION, reservation=reservation_id).all()
    if not rows:
        return None
    # The outer join gives a tombstone one row without a line.
    lines = tuple(
        ReservedLine(row.product_id, row.quantity, row.title, Money(row.price_minor, row.currency))
        for row in rows
        if row.product_id is not None
    )
    return Reservation(reservation_id, Status(rows[0].status), rows[0].expires_at, lines)


def add_reservation(session: Session, reservation: Reservation) -> None:
    """Store a new reservation without its lines; of two at once with one id, one succeeds."""
    row = {
        "id": reservation.id,
        "status": reservation.status,
        "expires_at": reservation.expires_at,
    }
    session.connection().execute(_ADD_RESERVATION, row)


def add_lines(session: Session, reservation: Reservation) -> None:
    """Store what a reservation holds."""
    lines = [
        {
            "reservation_id": reservation.id,
            "product_id": item.product_id,
            "quantity": item.quantity,
            "title": item.title,
            "price_minor": item.price.amount_minor,
            "currency": item.price.currency,
        }
        for item in reservation.items
    ]
    session.connection().execute(_ADD_LINES, lines)


def advance(session: Session, reservation_id: str, move: Move, now: datetime) -> bool:
    """Make a move if the reservation is where it starts; one that is held must not be due."""
    changed = _run(
        session,
        _ADVANCE,
        reservation=reservation_id,
        source=move.source,
        target=move.target,
        now=now,
    )
    return changed.rowcount == 1


def has_due_reservations(session: Session, now: datetime) -> bool:
    """Tell whether a reservation is held past its life."""
    return _run(session, _DUE.limit(1), now=now).first() is not None


def expire_some(session: Session, now: datetime) -> Sequence[str]:
    """Expire up to ``EXPIRY_BATCH`` reservations held past their life, and return their ids."""
    due = _run(session, _LOCK_DUE, now=now).scalars().all()
    return _run(session, _EXPIRE, reservations=due).scalars().all() if due else ()


def sum_up_held(session: Session, now: datetime) -> tuple[HeldGoods, HeldGoods]:
    """Return what live reservations hold, and what those hold that are past their life."""
    live = _LIVE.where(ReservationRow.expires_at > bindparam("now"))
    overdue = _LIVE.where(ReservationRow.expires_at <= bindparam("now"))
    return _held(session, live, now), _held(session, overdue, now)


def _held(session: Session, statement: Executable, now: datetime) -> HeldGoods:
    count, units, oldest = _run(session, statement, now=now).one()
    return HeldGoods(count, int(units or 0), oldest)


def return_goods(session: Session, reservation_ids: Collection[str]) -> None:
    """Put what the reservations hold back on sale."""
    held = _run(session, _HELD_GOODS, reservations=list(reservation_ids)).all()
    for product_id, quantity in held:
        _run(session, _RETURN_STOCK, product=product_id, quantity=quantity)
