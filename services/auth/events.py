"""Tell others who came and who went.

Pattern: Domain event (Evans; Richardson, Microservices Patterns, 5.3).  ``contracts/events`` holds
the schemas of what is told.
"""

from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.orm import Session

from messaging import outbox

from .models import OutboxEvent, User


def tell_registered(session: Session, user: User, language: str | None, now: datetime) -> None:
    """Store that somebody registered, in the transaction that stores them."""
    _tell(session, "user.registered", user, language, now)


def tell_imported(session: Session, user: User, now: datetime) -> None:
    """Store that somebody came with the users file, in the transaction that stores them."""
    _tell(session, "user.imported", user, None, now)


def tell_erased(session: Session, user_id: str, now: datetime) -> None:
    """Store that somebody was erased, in the transaction that does it.

    What nobody could take of them is erased as well.
    """
    dead = (OutboxEvent.aggregate_id == user_id) & OutboxEvent.died_at.is_not(None)
    session.execute(delete(OutboxEvent).where(dead))
    outbox.publish(session, OutboxEvent, "user.erased", user_id, {"user_id": user_id}, now)


def _tell(session: Session, kind: str, user: User, language: str | None, now: datetime) -> None:
    data = {"user_id": user.id, "username": user.username, "email": user.email}
    outbox.publish(session, OutboxEvent, kind, user.id, {**data, "language": language}, now)
