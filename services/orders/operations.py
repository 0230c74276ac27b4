"""Show operators how the service is doing, and have dead letters tried again."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from messaging.backlog import backlog, retry

from . import repository
from .models import Order, OutboxEvent
from .service import Shop

OLDEST = 20


def overview(shop: Shop) -> dict[str, Any]:
    """Return what is unfinished, what waits for delivery, and the states of the breakers."""
    now = shop.clock.now()
    with shop.database.read() as session:
        undelivered = backlog(session, OutboxEvent, now)
        counts, since, owing = repository.count_unfinished(session)
        oldest_orders = _oldest(session)
    return {
        "service": "orders",
        "breakers": {name: {"state": guard.state} for name, guard in shop.clients.breakers.items()},
        **undelivered,
        "unfinished": {
            "by_status": counts,
            "oldest_age_seconds": _age(since, now),
            "owing": owing,
            "oldest": oldest_orders,
        },
    }


def retry_dead_letter(shop: Shop, event_id: str) -> None:
    """Have a dead letter delivered as if it were new.

    Raises:
        NotFound: there is none with this id.
    """
    with shop.database.write() as session:
        retry(session, OutboxEvent, event_id, shop.clock.now())
    shop.publisher.committed()


def _oldest(session: Session) -> Sequence[Row[str, str, datetime]]:
    """Find the orders with work left that have waited longest: the ones to look into."""
    query = select(Order.id, Order.status, Order.created_at).where(Order.unsettled)
    return session.execute(query.order_by(Order.created_at, Order.id).limit(OLDEST)).all()


def _age(moment: datetime | None, now: datetime) -> float | None:
    return None if moment is None else max(0.0, (now - moment).total_seconds())
