"""Remember which events were taken, so that one that comes again has no second effect.

Pattern: Idempotent consumer (Richardson, Microservices Patterns, 3.3.6).  The note and the effect
are one transaction of the consumer's.
"""

from datetime import datetime, timedelta

from sqlalchemy import String, delete, insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.database import Timestamp


class InboxColumns:
    """Give a consumer's table of seen events its columns; the consumer declares the table."""

    event_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(Timestamp, index=True)


def first_time(session: Session, model: type[InboxColumns], event_id: str, now: datetime) -> bool:
    """Note an event in the caller's transaction; return False when it was noted before.

    Where another transaction has just noted it, this waits to see whether that one commits.
    """
    try:
        with session.begin_nested():
            session.execute(insert(model).values(event_id=event_id, seen_at=now))
    except IntegrityError:
        return False
    return True


def forget_older(
    session: Session, model: type[InboxColumns], now: datetime, seconds: float
) -> None:
    """Delete the notes of events that won't come again."""
    session.execute(delete(model).where(model.seen_at < now - timedelta(seconds=seconds)))
