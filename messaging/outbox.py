"""Store events together with what they tell of, and deliver them afterwards.

Patterns: Transactional outbox, Polling publisher, Dead letter (Richardson, Microservices Patterns,
3.3.7; Hohpe and Woolf, Enterprise Integration Patterns).  An event is committed with the change
that it reports, or not at all; the relay delivers it at least once, so that consumers keep an
:mod:`~messaging.inbox`.

Events of one aggregate are delivered in order, those of different aggregates beside each other.
A delivery ends in one of these ways:

- it returns: the event is deleted;
- ``Unavailable`` or ``DeadlineExceeded``: nobody took it, which says nothing about the event, so
  that it waits for as long as that lasts;
- ``EventRefused``: the event itself is wrong, and becomes a dead letter;
- any other error counts, and the fifth one makes it a dead letter.

A dead letter holds nobody up and stays until an operator has it tried again.
"""

import json
import logging
import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import BigInteger, Integer, Row, String, Table, Text, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from chassis import crash, tracing
from chassis.clock import Clock
from chassis.errors import DeadlineExceeded, EventRefused, Unavailable
from storage.database import Database, Timestamp

MAX_TRIES = 5
MAX_PAUSE_SECONDS = 10.0
# As brokers have it: an event says what happened, and is no way to move files.
MAX_PAYLOAD_CHARACTERS = 256 * 1024
# A few deliveries at once, so that slow ones hold the others up for a few seconds at most.
THREADS, BATCH = 4, 12
# Longer than a batch takes when each of its deliveries runs into a timeout.
LEASE_SECONDS = 10.0
# Whoever asks for a longer pause than usual gets it, up to this one.
MAX_ASKED_SECONDS = 60.0
# Nobody took the event, which says nothing about it.
AWAY = (Unavailable, DeadlineExceeded)

# SQLite counts up by itself in this type only.
SERIAL = BigInteger().with_variant(Integer, "sqlite")

logger = logging.getLogger(__name__)


class OutboxColumns:
    """Give a service's table of waiting events its columns; the service declares the table.

    ``payload`` is the envelope as text, so that one that can't be read harms only itself;
    ``next_attempt_at`` is also the lease of the relay that is delivering the event.
    """

    # It follows the commits of an aggregate, because whoever changes one excludes the others.
    sequence: Mapped[int] = mapped_column(SERIAL, primary_key=True)
    id: Mapped[str] = mapped_column(String(36), unique=True)
    aggregate_id: Mapped[str] = mapped_column(String(64), index=True)
    type: Mapped[str] = mapped_column(String(64))
    payload: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Timestamp)
    attempts: Mapped[int]
    next_attempt_at: Mapped[datetime] = mapped_column(Timestamp, index=True)
    died_at: Mapped[datetime | None] = mapped_column(Timestamp)
    last_error: Mapped[str | None] = mapped_column(String(500))


Model = type[OutboxColumns]


class Transport(Protocol):
    """Take events to whoever wants them."""

    def deliver(self, envelope: Mapping[str, Any]) -> None:
        """Return once somebody else answers for the event; raise what this module's head lists."""
        ...


def publish(
    session: Session, model: Model, kind: str, aggregate_id: str, data: Any, now: datetime
) -> str:
    """Store an event of a type, in its version 1, in the caller's transaction; return its id."""
    name = {"id": str(uuid.uuid4()), "type": kind, "aggregate_id": aggregate_id}
    request_id = tracing.outgoing_headers().get(tracing.REQUEST_ID_HEADER)
    occurred = {"version": 1, "occurred_at": now.isoformat(), "request_id": request_id}
    keep(session, model, {**name, **occurred, "data": data}, now)
    return name["id"]


def keep(session: Session, model: Model, envelope: Mapping[str, Any], now: datetime) -> None:
    """Store an event that has its envelope, in the caller's transaction."""
    row = {name: envelope[name] for name in ("id", "type", "aggregate_id")}
    waiting = {"created_at": now, "attempts": 0, "next_attempt_at": now}
    session.execute(_table(model).insert(), {**row, "payload": json.dumps(envelope), **waiting})


def bury(session: Session, model: Model, event_id: str, text: str, why: str, now: datetime) -> None:
    """Store what can't be read as an event as a dead letter, with its first part."""
    name = {"id": event_id, "type": "unreadable", "aggregate_id": event_id}
    dead = {
        "attempts": 1,
        "next_attempt_at": now,
        "died_at": now,
        "last_error": _storable(why)[:500],
    }
    row = {**name, "payload": _storable(text[:MAX_PAYLOAD_CHARACTERS]), "created_at": now, **dead}
    session.execute(_table(model).insert(), row)


def _storable(text: str) -> str:
    """Return a text in characters that every database keeps."""
    return text.encode("ascii", "backslashreplace").decode().replace("\0", "\\0")


@dataclass
class Relay:
    """Deliver what waits in an outbox; several processes may do so from one database.

    ``random`` gives numbers from 0 to 1 for the jitter; ``batch`` events are leased together, for
    ``lease_seconds``; ``at_once`` is how many the next turn begins with: a single one where nobody
    took anything the last time.
    """

    database: Database
    model: Model
    transport: Transport
    clock: Clock
    random: Callable[[], float] = random.random
    batch: int = BATCH
    lease_seconds: float = LEASE_SECONDS
    at_once: int = BATCH

    def turn(self) -> None:
        """Deliver what is due, until nothing is left or nobody takes anything."""
        with ThreadPoolExecutor(THREADS, "relay") as threads:
            while events := self._claim():
                errors = list(threads.map(self._finish, events))
                away = all(isinstance(error, AWAY) for error in errors)
                self.at_once = 1 if away else self.batch
                if away:
                    return

    def _claim(self) -> Sequence[Row[Any]]:
        """Lease those that are the first living ones of their aggregates, and due."""
        table, its, now = _table(self.model), _table(self.model).c, self.clock.now()
        living = its.died_at.is_(None)
        due = living & (its.next_attempt_at <= now)
        first = select(func.min(its.sequence)).where(living).group_by(its.aggregate_id)
        # What failed before comes after what waits already.
        ready = select(its.sequence).where(due, its.sequence.in_(first))
        ready = ready.order_by(its.next_attempt_at, its.sequence)
        ready = ready.limit(min(self.at_once, self.batch))
        # A turn without work only reads.
        with self.database.read() as session:
            sequences = session.scalars(ready).all()
        if not sequences:
            return ()
        # Of two relays that have read the same, the condition lets one in.
        lease = table.update().where(its.sequence.in_(sequences), due).returning(table)
        until = now + timedelta(seconds=self.lease_seconds)
        with self.database.write() as session:
            return session.execute(lease.values(next_attempt_at=until)).all()

    def _finish(self, event: Row[Any]) -> Exception | None:
        """Deliver an event and mark it at once: a relay that dies repeats few deliveries."""
        error = self._deliver(event)
        crash.here("relay:after_deliver_before_mark")
        table = _table(self.model)
        change = table.update().values(**self._after(event, error)) if error else table.delete()
        with self.database.write() as session:
            session.execute(change.where(table.c.id == event.id))
        return error

    def _deliver(self, event: Row[Any]) -> Exception | None:
        try:
            if len(event.payload) > MAX_PAYLOAD_CHARACTERS:
                raise EventRefused("It is too long.")  # noqa: TRY301 - as if it had been sent.
            envelope = json.loads(event.payload)
            tracing.begin({tracing.REQUEST_ID_HEADER: envelope["request_id"] or ""})
            self.transport.deliver(envelope)
        except Exception as error:  # noqa: BLE001 - whatever one event does, the others go on.
            logger.warning("%s %s was not delivered: %r", event.type, event.id, error)
            return error
        return None

    def _after(self, event: Row[Any], error: Exception) -> dict[str, Any]:
        counts = not isinstance(error, AWAY)
        tries, now, said = event.attempts + counts, self.clock.now(), repr(error)[:500]
        dead = counts and (tries >= MAX_TRIES or isinstance(error, EventRefused))
        pause = min(2**tries, MAX_PAUSE_SECONDS) * (1 + self.random()) / 2
        pause = max(pause, min(getattr(error, "retry_after_seconds", 0), MAX_ASKED_SECONDS))
        changes = {"attempts": tries, "died_at": now if dead else None, "last_error": said}
        return {**changes, "next_attempt_at": now + timedelta(seconds=pause)}


def waiting(session: Session, model: Model) -> tuple[int, datetime | None]:
    """Return how many events wait, and when the oldest of them happened."""
    its = _table(model).c
    query = select(func.count(), func.min(its.created_at)).where(its.died_at.is_(None))
    count, oldest = session.execute(query).one()
    return count, oldest


def dead_letters(session: Session, model: Model, limit: int) -> tuple[int, Sequence[Row[Any]]]:
    """Return how many dead letters there are, and the latest of them without their payloads."""
    its = _table(model).c
    dead = its.died_at.is_not(None)
    count = session.scalars(select(func.count()).where(dead)).one()
    # A payload may be what made it a dead letter, by its length.
    latest = select(*(column for column in its if column is not its.payload)).where(dead)
    return count, session.execute(latest.order_by(its.died_at.desc()).limit(limit)).all()


def revive(session: Session, model: Model, event_id: str, now: datetime) -> bool:
    """Have a dead letter tried again as if it were new; return False when there is none."""
    table = _table(model)
    dead = table.update().where(table.c.id == event_id, table.c.died_at.is_not(None))
    fresh: Any = session.execute(dead.values(died_at=None, attempts=0, next_attempt_at=now))
    return bool(fresh.rowcount)


def _table(model: Any) -> Table:
    # Without the session's objects, a statement costs half as much.
    table: Table = model.__table__
    return table
