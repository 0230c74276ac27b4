"""Map mails that wait, and the events that were taken, to tables."""

from sqlalchemy.orm import DeclarativeBase

from messaging.inbox import InboxColumns
from messaging.outbox import OutboxColumns


class Base(DeclarativeBase):
    """Collect the tables of this service."""


class Mail(OutboxColumns, Base):
    """Hold the event that a mail tells of, under the event's own id, until the mail is sent."""

    __tablename__ = "mails"


class SeenEvent(InboxColumns, Base):
    """Note an event that was taken."""

    __tablename__ = "seen_events"
