"""Know the states of an order and what may follow what.

The states and their edges are the contract's; ``docs/architecture.md`` draws them.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from contracts.money import Money

MAX_LINES = 100
MAX_QUANTITY = 1000


class Status(StrEnum):
    """Say how far an order has come."""

    PENDING = "pending"
    RESERVED = "reserved"
    PAYMENT_PENDING = "payment_pending"
    CONFIRMED = "confirmed"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"


EDGES: dict[Status, frozenset[Status]] = {
    Status.PENDING: frozenset({Status.RESERVED, Status.REJECTED}),
    Status.RESERVED: frozenset({Status.PAYMENT_PENDING, Status.CONFIRMED, Status.REJECTED}),
    Status.PAYMENT_PENDING: frozenset({Status.CONFIRMED, Status.REJECTED}),
    Status.CONFIRMED: frozenset({Status.SHIPPED, Status.CANCELLED}),
    Status.SHIPPED: frozenset({Status.DELIVERED, Status.REFUNDED}),
    Status.DELIVERED: frozenset({Status.REFUNDED}),
    Status.REJECTED: frozenset(),
    Status.CANCELLED: frozenset(),
    Status.REFUNDED: frozenset(),
}

UNFINISHED = (Status.PENDING, Status.RESERVED, Status.PAYMENT_PENDING)


@dataclass(frozen=True, slots=True)
class Line:
    """Ask for a quantity of a product; ``expected`` is the unit price that the buyer saw."""

    product_id: int
    quantity: int
    expected: Money | None = None


@dataclass(frozen=True, slots=True)
class PricedLine:
    """Hold a line as the catalogue priced it."""

    product_id: int
    quantity: int
    title: str
    price: Money


def new_order_id() -> str:
    """Return an id that nobody can guess."""
    return f"ord_{secrets.token_urlsafe(16)}"


def total_of(lines: Iterable[PricedLine]) -> Money:
    """Return the exact sum of the lines, which are at least one and in one currency."""
    amounts = [line.price.times(line.quantity) for line in lines]
    total = amounts[0]
    for amount in amounts[1:]:
        total = total.plus(amount)
    return total
