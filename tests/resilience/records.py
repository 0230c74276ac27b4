"""Read what the services and the payment provider have on record; nothing is changed.

The addresses come from the shop, so that it does not matter which database is behind them.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any

from sqlalchemy import MetaData, Select, Table, create_engine, event, func, inspect, select
from sqlalchemy.engine import Connection, make_url

from services.orders.models import Order, OrderItem, OrderTransition
from services.payments.models import LedgerEntry, Payment
from services.payments.stand_in import OPERATIONS
from services.products.models import Product, ReservationLineRow, ReservationRow
from tests.e2e.running import Shop

OUTBOX = "outbox_events"
HELD, SOLD = "held", "confirmed"
Units = Mapping[int, int]
"""How many of each product, by its id."""


@dataclass(frozen=True)
class Addresses:
    """Hold where each database is, as SQLAlchemy writes it."""

    orders: str
    products: str
    payments: str
    provider: str

    @classmethod
    def of(cls, shop: Shop) -> "Addresses":
        """Return those of a running shop."""
        return cls(**{field.name: shop.database_url(field.name) for field in fields(cls)})


@dataclass
class Till:
    """Count what one side says was done with the money of one order, in minor units."""

    captures: list[int] = field(default_factory=list)
    refunds: list[int] = field(default_factory=list)
    authorised: bool = False
    voided: bool = False

    @property
    def captured(self) -> int:
        return sum(self.captures)

    @property
    def refunded(self) -> int:
        return sum(self.refunds)

    @property
    def on_hold(self) -> bool:
        """Tell whether money of the buyer is neither taken nor let go of."""
        return self.authorised and not (self.voided or self.captures)


@dataclass(frozen=True)
class Undelivered:
    """Hold an event that nobody has taken; ``dead`` when nobody is asked any more."""

    id: str
    aggregate_id: str
    dead: bool


@dataclass(frozen=True)
class Records:
    """Hold all that is on record, by order id."""

    orders: Mapping[str, Any]
    lines: Mapping[str, Units]
    paths: Mapping[str, Sequence[tuple[str | None, str]]]
    reservations: Mapping[str, str]
    reserved: Mapping[str, Units]
    shelf: Units
    payments: Mapping[str, Any]
    provider: Mapping[str, Till]
    ledger: Sequence[Any]
    outbox: Sequence[Undelivered]


@contextmanager
def reading(address: str) -> Iterator[Connection]:
    """Open a connection that can't write."""
    url = make_url(address)
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url)
        event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA query_only = ON"))
    else:
        url = url.set(drivername="postgresql+psycopg")
        engine = create_engine(url, execution_options={"postgresql_readonly": True})
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def read_records(addresses: Addresses) -> Records:
    """Return what all databases hold now; take it when the shop is quiet."""
    with reading(addresses.orders) as orders, reading(addresses.products) as products:
        columns = Order.__table__.c
        return Records(
            orders={row.id: row for row in orders.execute(select(*columns))},
            lines=_units(orders, select(OrderItem.order_id, *_quantity(OrderItem))),
            paths=_paths(orders),
            outbox=_undelivered(orders),
            reservations=_pairs(products, ReservationRow.id, ReservationRow.status),
            reserved=_units(
                products,
                select(ReservationLineRow.reservation_id, *_quantity(ReservationLineRow)),
            ),
            shelf=_pairs(products, Product.id, Product.stock),
            **_money(addresses),
        )


def has_outbox(address: str) -> bool:
    """Tell whether a service publishes events."""
    with reading(address) as connection:
        return inspect(connection).has_table(OUTBOX)


def _undelivered(connection: Connection) -> list[Undelivered]:
    if not inspect(connection).has_table(OUTBOX):
        return []
    columns = Table(OUTBOX, MetaData(), autoload_with=connection).c
    query = select(columns.id, columns.aggregate_id, columns.died_at.is_not(None))
    return [Undelivered(*row) for row in connection.execute(query)]


def count_units(connection: Connection) -> dict[int, tuple[int, int]]:
    """Return what is on sale and what is held or sold of each product, at one moment."""
    line, reservation = ReservationLineRow, ReservationRow
    taken = (
        select(func.coalesce(func.sum(line.quantity), 0))
        .join(reservation, reservation.id == line.reservation_id)
        .where(line.product_id == Product.id, reservation.status.in_((HELD, SOLD)))
        .scalar_subquery()
    )
    # One statement sees one moment, on every database and while others write.
    rows = connection.execute(select(Product.id, Product.stock, taken))
    return {product: (stock, int(gone)) for product, stock, gone in rows}


def units_in_all(addresses: Addresses) -> dict[int, int]:
    """Return how many of each product there are, on sale or not."""
    with reading(addresses.products) as connection:
        return {product: sum(units) for product, units in count_units(connection).items()}


def _pairs(connection: Connection, *columns: Any) -> dict[Any, Any]:
    return dict(connection.execute(select(*columns)).all())


def _quantity(model: Any) -> tuple[Any, Any]:
    return model.product_id, model.quantity


def _units(connection: Connection, query: Select[Any]) -> dict[str, dict[int, int]]:
    units: dict[str, dict[int, int]] = defaultdict(dict)
    for owner, product, quantity in connection.execute(query):
        units[owner][product] = quantity
    return dict(units)


def _paths(connection: Connection) -> dict[str, list[tuple[str | None, str]]]:
    paths: dict[str, list[tuple[str | None, str]]] = defaultdict(list)
    step = OrderTransition
    for order_id, source, target in connection.execute(
        select(step.order_id, step.source, step.target).order_by(step.id)
    ):
        paths[order_id].append((source, target))
    return dict(paths)


def _money(addresses: Addresses) -> dict[str, Any]:
    with reading(addresses.payments) as payments, reading(addresses.provider) as provider:
        tills: dict[str, Till] = defaultdict(Till)
        # The provider makes its table when it is first asked for something.
        asked = inspect(provider).has_table(OPERATIONS.name)
        for row in provider.execute(select(OPERATIONS)) if asked else ():
            _count(tills[row.order_id], row.kind, row.amount_minor)
        rows = payments.execute(select(*Payment.__table__.c))
        return {
            "payments": {row.order_id: row for row in rows},
            "provider": dict(tills),
            "ledger": payments.execute(select(*LedgerEntry.__table__.c)).all(),
        }


def _count(till: Till, kind: str, amount_minor: int) -> None:
    match kind:
        case "authorise":
            till.authorised = True
        case "capture":
            till.captures.append(amount_minor)
        case "refund":
            till.refunds.append(amount_minor)
        case "void":
            till.voided = True
