"""Take events, and have their mails sent."""

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis.clock import Clock
from messaging import outbox
from messaging.consumer import Consumer, Wanted
from messaging.inbox import first_time
from messaging.outbox import THREADS, Relay
from storage.database import Database

from .clients import Clients
from .config import Config, sender
from .events import SCHEMAS
from .letters import Writer
from .mailer import Mailer
from .models import Mail, SeenEvent
from .post import FilePost, Post, SMTPPost
from .smtp_url import read_smtp_url

# What accounts may take to say who somebody is, and some room.
LEASE_EXTRA_SECONDS: Final = 5.0
FORGET_EVERY: Final = timedelta(hours=1)
UNREADABLE: Final = uuid.UUID("5fd8c1a9-9a0e-4b43-8f55-1c4e4c8a8f11")


def _asleep() -> None:
    """Wake nobody, where nobody waits."""


@dataclass
class PostOffice:
    """Hold what the use cases need; several processes may have one on the same database.

    ``wake`` has the relay look for mails at once.
    """

    database: Database
    clients: Clients
    clock: Clock
    relay: Relay
    wake: Callable[[], None] = _asleep

    def __post_init__(self) -> None:
        """Begin to forget from now on."""
        wanted = {kind: Wanted(schema, self._queue) for kind, schema in SCHEMAS.items()}
        self._consumer = Consumer(self.database, SeenEvent, self.clock, wanted)
        self._forgot_at = self.clock.now()

    def take(self, envelope: Mapping[str, Any]) -> None:
        """Queue the mail of an event, unless that was done before.

        Raises:
            Invalid: its version or its data can't be read.
        """
        self._consumer.take(envelope)
        self.wake()

    def set_aside(self, text: str, why: str, event_id: str | None = None) -> None:
        """Keep what can't be read as a dead letter, once, for operators to look at."""
        readable = text.encode("utf-8", "backslashreplace").decode()
        event_id = event_id or str(uuid.uuid5(UNREADABLE, readable))
        now = self.clock.now()
        with self.database.write() as session:
            if first_time(session, SeenEvent, event_id, now) and not _is_here(session, event_id):
                outbox.bury(session, Mail, event_id, text, why, now)

    def work(self) -> None:
        """Send what is due, and now and then forget what was taken long ago."""
        self.relay.turn()
        if self.clock.now() - self._forgot_at > FORGET_EVERY:
            self._forgot_at = self.clock.now()
            self._consumer.forget()

    def _queue(self, session: Session, event: Mapping[str, Any]) -> None:
        if _is_here(session, event["id"]):
            return
        occurred_at: datetime = event["occurred_at"]
        told = {**event, "occurred_at": occurred_at.isoformat()}
        outbox.keep(session, Mail, told, self.clock.now())


def _is_here(session: Session, event_id: str) -> bool:
    """Tell whether an event waits or lies dead, which may last longer than the note of it."""
    return session.scalar(select(Mail.id).where(Mail.id == event_id)) is not None


def open_post_office(config: Config, clients: Clients, clock: Clock) -> PostOffice:
    """Return a post office with the settings' database and way to send."""
    database = Database(config.database_url, durable=True)
    writer = Writer(sender(config.mail_from), config.shop_url)
    mailer = Mailer(clients.accounts, writer, _post(config))
    # None of those that are leased together waits for another.
    lease = config.smtp_seconds + LEASE_EXTRA_SECONDS
    relay = Relay(database, Mail, mailer, clock, batch=THREADS, lease_seconds=lease)
    return PostOffice(database, clients, clock, relay)


def as_text(envelope: Any) -> str:
    """Return what came as a task, as far as JSON can say it."""
    return json.dumps(envelope, default=repr)


def _post(config: Config) -> Post:
    if config.smtp_url:
        return SMTPPost(read_smtp_url(config.smtp_url), config.smtp_seconds)
    return FilePost(config.data_dir / "mail")
