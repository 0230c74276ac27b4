"""Do about events what a subscriber has to: drop what it has seen, where it has its effect."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from messaging import inbox
from messaging.inbox import InboxColumns
from storage.database import Database


class Base(DeclarativeBase):
    pass


class Seen(InboxColumns, Base):
    __tablename__ = "seen"


class Delivery(Base):
    """Record each time that an event came, and whether it had its effect then."""

    __tablename__ = "deliveries"

    id: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[str]
    type: Mapped[str]
    aggregate_id: Mapped[str]
    had_effect: Mapped[bool]


def open_database(url: str) -> Database:
    database = Database(url)
    database.create_all(Base.metadata)
    return database


def take(database: Database, envelope: Mapping[str, Any]) -> None:
    columns = {"type": envelope["type"], "aggregate_id": envelope["aggregate_id"]}
    with database.write() as session:
        is_new = inbox.first_time(session, Seen, envelope["id"], datetime.now(UTC))
        session.add(Delivery(event_id=envelope["id"], had_effect=is_new, **columns))


def deliveries(database: Database) -> list[Delivery]:
    """Return what came, each as often as it did."""
    with database.read() as session:
        return list(session.scalars(select(Delivery).order_by(Delivery.id)))


def effects(database: Database) -> list[Delivery]:
    """Return what had an effect, such as a mail that was sent."""
    return [delivery for delivery in deliveries(database) if delivery.had_effect]
