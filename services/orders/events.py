"""Tell others what became of an order.

Pattern: Domain event (Evans; Richardson, Microservices Patterns, 5.3).  ``contracts/events`` holds
the schemas of what is told.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from messaging import outbox

from .answers import order_document
from .domain import Status
from .models import Order, OutboxEvent

_TYPES = {
    Status.CONFIRMED: "order.confirmed",
    Status.CANCELLED: "order.cancelled",
    Status.REFUNDED: "order.refunded",
}


@dataclass(frozen=True)
class Publisher:
    """Store events for the relay, which ``wake`` has look for them."""

    wake: Callable[[], None]

    def publish(self, session: Session, order: Order, source: Status, now: datetime) -> None:
        """Store what others want to know of a change, in the transaction that makes it."""
        kind = _type_of(source, Status(order.status))
        if kind:
            outbox.publish(session, OutboxEvent, kind, order.id, _data_of(order), now)

    def committed(self) -> None:
        """Have what was stored delivered now; the relay would find it at its next turn."""
        self.wake()


def _type_of(source: Status, target: Status) -> str | None:
    # Whose order is refused at once has the answer already; who was told to wait has not.
    if target is Status.REJECTED and source is Status.PAYMENT_PENDING:
        return "order.rejected"
    return _TYPES.get(target)


def _data_of(order: Order) -> dict[str, Any]:
    document = order_document(order)
    told = {"order_id": order.id, "user_id": order.user_id}
    told |= {name: document[name] for name in ("items", "total")}
    return told | ({"reason": order.reason["code"]} if order.reason else {})
