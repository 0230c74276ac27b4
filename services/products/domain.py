"""Know the states of a reservation, and what a catalogue may be asked."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from chassis.errors import Conflict
from contracts.money import Money

from .errors import IllegalReservationState, ReservationExpired, ReservationReleased

# What an order may have.
MAX_LINES: Final = 100
MAX_QUANTITY: Final = 1000
# Goods that come back on top of a full shelf still fit a 32-bit column.
MAX_STOCK: Final = 1_000_000

SORTS: Final = ("id", "-id", "price", "-price", "stock", "-stock", "title", "-title")


class Status(StrEnum):
    """Say what became of the goods that a reservation took off the stock."""

    HELD = "held"
    CONFIRMED = "confirmed"
    RELEASED = "released"
    EXPIRED = "expired"
    RESTOCKED = "restocked"


@dataclass(frozen=True, slots=True)
class Move:
    """Lead a reservation from ``source`` to ``target``.

    In the states of ``done`` there is nothing left to do, so that a repetition is safe.
    """

    source: Status
    target: Status
    done: frozenset[Status]
    returns_goods: bool


CONFIRM: Final = Move(
    Status.HELD, Status.CONFIRMED, done=frozenset({Status.CONFIRMED}), returns_goods=False
)
RELEASE: Final = Move(
    Status.HELD,
    Status.RELEASED,
    done=frozenset({Status.RELEASED, Status.EXPIRED}),
    returns_goods=True,
)
EXPIRE: Final = Move(
    Status.HELD, Status.EXPIRED, done=frozenset({Status.EXPIRED}), returns_goods=True
)
RESTOCK: Final = Move(
    Status.CONFIRMED, Status.RESTOCKED, done=frozenset({Status.RESTOCKED}), returns_goods=True
)
MOVES: Final = (CONFIRM, RELEASE, EXPIRE, RESTOCK)
"""Every edge of the state graph; a reservation starts held, or released as a tombstone."""


@dataclass(frozen=True, slots=True)
class ReservedLine:
    """Hold goods back at the title and price of that moment."""

    product_id: int
    quantity: int
    title: str
    price: Money


@dataclass(frozen=True, slots=True)
class Reservation:
    """Hold goods back for an order, under the order's id."""

    id: str
    status: Status
    expires_at: datetime
    items: tuple[ReservedLine, ...] = ()

    def quantities(self) -> dict[int, int]:
        """Return how much of each product it is about."""
        return {item.product_id: item.quantity for item in self.items}

    def status_at(self, now: datetime) -> Status:
        """Return the state; what is held past its life has expired, noted or not."""
        is_overdue = self.status is Status.HELD and self.expires_at <= now
        return Status.EXPIRED if is_overdue else self.status


@dataclass(frozen=True, slots=True)
class HeldGoods:
    """Count reservations and the units that they hold, and say when the first is due."""

    reservations: int
    units: int
    oldest_expiry: datetime | None


def refusal(status: Status) -> Conflict:
    """Return the error for a move that a reservation in this state does not allow."""
    if status is Status.RELEASED:
        return ReservationReleased()
    if status is Status.EXPIRED:
        return ReservationExpired()
    return IllegalReservationState(f"The reservation is {status}.", state=status)


def merge_lines(lines: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Return the quantity of each product id, in the order of ids; repeated products add up."""
    merged: dict[int, int] = {}
    # The order in which rows will be locked.
    for product_id, quantity in sorted(lines):
        merged[product_id] = merged.get(product_id, 0) + quantity
    return merged


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductQuery:
    """Ask for a page of the catalogue; None leaves a filter out, prices are minor units."""

    category: str | None = None
    brand: str | None = None
    tag: str | None = None
    q: str | None = None
    min_price: int | None = None
    max_price: int | None = None
    in_stock: bool | None = None
    ids: Sequence[int] | None = None
    sort: str = "id"
    limit: int = 20
    cursor: str | None = None

    @property
    def descending(self) -> bool:
        """Tell whether the largest comes first."""
        return self.sort.startswith("-")

    @property
    def sort_key(self) -> str:
        """Return what is sorted by, without the direction."""
        return self.sort.removeprefix("-")

    def fingerprint(self) -> str:
        """Return a short digest of sort and filters, which a cursor has to share."""
        asked: dict[str, Any] = {**asdict(self), "limit": None, "cursor": None}
        return hashlib.sha256(repr(asked).encode()).hexdigest()[:12]


def category_name(slug: str) -> str:
    """Return a category's name for people."""
    return slug.replace("-", " ").capitalize()


def folded(*texts: str) -> str:
    """Return texts as one, in a form in which upper and lower case are the same."""
    return "\n".join(texts).casefold()
