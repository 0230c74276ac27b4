"""Show operators how the service is doing, and have dead letters tried again."""

from datetime import datetime
from typing import Any

from chassis.errors import NotFound
from storage import outbox

from . import repository
from .models import OutboxEvent
from .service import Shop

SHOWN = 100


def overview(shop: Shop) -> dict[str, Any]:
    """Return what is unfinished, what waits for delivery, and the states of the breakers."""
    now = shop.clock.now()
    with shop.database.read() as session:
        depth, oldest = outbox.waiting(session, OutboxEvent)
        dead, letters = outbox.dead_letters(session, OutboxEvent, SHOWN)
        counts, since, owing = repository.count_unfinished(session)
    return {
        "service": "orders",
        "breakers": {name: {"state": guard.state} for name, guard in shop.clients.breakers.items()},
        "outbox": {"depth": depth, "oldest_age_seconds": _age(oldest, now), "dead": dead},
        "dead_letters": letters,
        "unfinished": {
            "by_status": counts,
            "oldest_age_seconds": _age(since, now),
            "owing": owing,
        },
    }


def retry_dead_letter(shop: Shop, event_id: str) -> None:
    """Have a dead letter delivered as if it were new.

    Raises:
        NotFound: there is none with this id.
    """
    with shop.database.write() as session:
        if not outbox.revive(session, OutboxEvent, event_id, shop.clock.now()):
            raise NotFound("There is no such dead letter.")
    shop.publisher.committed()


def _age(moment: datetime | None, now: datetime) -> float | None:
    return None if moment is None else max(0.0, (now - moment).total_seconds())
