"""Show operators what waits in an outbox and what was given up, and have that tried again."""

from datetime import datetime
from typing import Any

from marshmallow import fields
from sqlalchemy.orm import Session

from chassis.errors import NotFound
from chassis.inbound.api import Schema
from messaging.outbox import Model, dead_letters, revive, waiting

SHOWN = 100


class OutboxSchema(Schema):
    """Count the events that wait for delivery, and the dead letters."""

    depth = fields.Integer(required=True)
    oldest_age_seconds = fields.Float(required=True, allow_none=True)
    dead = fields.Integer(required=True)


class DeadLetterSchema(Schema):
    """Hold an event that could not be delivered."""

    id = fields.String(required=True)
    type = fields.String(required=True)
    aggregate_id = fields.String(required=True)
    attempts = fields.Integer(required=True)
    last_error = fields.String(required=True, allow_none=True)
    died_at = fields.DateTime(required=True)


def backlog(session: Session, model: Model, now: datetime) -> dict[str, Any]:
    """Return ``outbox`` and ``dead_letters``, as the two schemas have them."""
    depth, oldest = waiting(session, model)
    dead, letters = dead_letters(session, model, SHOWN)
    age = None if oldest is None else max(0.0, (now - oldest).total_seconds())
    counts = {"depth": depth, "oldest_age_seconds": age, "dead": dead}
    return {"outbox": counts, "dead_letters": letters}


def retry(session: Session, model: Model, event_id: str, now: datetime) -> None:
    """Have a dead letter delivered as if it were new, in the caller's transaction.

    Raises:
        NotFound: there is none with this id.
    """
    if not revive(session, model, event_id, now):
        raise NotFound("There is no such dead letter.")
