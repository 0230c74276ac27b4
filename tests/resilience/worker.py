"""Consume events from a broker as a process of its own: ``worker.py <broker> <database>``.

It does what a subscriber has to: drop what it has seen, in the transaction of the effect.
"""

import sys
from datetime import UTC, datetime

from celery import Celery
from sqlalchemy import select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis.outbound.celery_events import TASK
from storage import inbox
from storage.database import Database
from storage.inbox import InboxColumns

QUEUE = "notifications"


class Base(DeclarativeBase):
    pass


class Seen(InboxColumns, Base):
    __tablename__ = "seen"


class Delivery(Base):
    """Record each time that an event came, and whether it had its effect then."""

    __tablename__ = "deliveries"

    id: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[str]
    had_effect: Mapped[bool]


def open_database(url: str) -> Database:
    database = Database(url)
    database.create_all(Base.metadata)
    return database


def take(database: Database, event_id: str) -> None:
    with database.write() as session:
        is_new = inbox.first_time(session, Seen, event_id, datetime.now(UTC))
        session.add(Delivery(event_id=event_id, had_effect=is_new))


def deliveries(database: Database) -> list[tuple[str, bool]]:
    """Return the id of each event that came, and whether it had its effect then."""
    with database.read() as session:
        rows = session.execute(select(Delivery.event_id, Delivery.had_effect))
        return [(event_id, had_effect) for event_id, had_effect in rows]


def main() -> None:
    broker, url = sys.argv[1:]
    database = open_database(url)
    app = Celery(broker=broker)
    app.conf.update(worker_hijack_root_logger=False, task_acks_late=True)

    @app.task(name=TASK)
    def deliver(envelope):
        take(database, envelope["id"])

    options = ["--pool=solo", f"--queues={QUEUE}", "--loglevel=WARNING"]
    app.worker_main(["worker", *options, "--without-gossip", "--without-mingle"])


if __name__ == "__main__":
    main()
