"""Send the mail that an event leads to, for the relay of :mod:`messaging.outbox`."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import marshmallow as ma

from chassis.errors import EventRefused
from messaging.consumer import VERSION, EnvelopeSchema

from .clients import Accounts
from .domain import Recipient
from .events import OPENED, SCHEMAS
from .letters import Event, Writer
from .post import Post

logger = logging.getLogger(__name__)

_ENVELOPE = EnvelopeSchema()


@dataclass(frozen=True)
class Mailer:
    """Find whom to write to, write, and hand the mail over."""

    accounts: Accounts
    writer: Writer
    post: Post

    def deliver(self, envelope: Mapping[str, Any]) -> None:
        """Return once the mail is handed over, or when there is nobody to write to.

        Raises:
            Unavailable, DeadlineExceeded: accounts or the mail server can't serve now.
            EventRefused: the event can't be read, or nobody will take the mail.
        """
        event = read_event(envelope)
        recipient = self._recipient_of(event)
        if recipient is None:
            logger.info("%s %s has nobody to write to.", event.type, event.id)
            return
        self.post.send(event, self.writer.write(event, recipient))
        logger.info("The mail about %s %s is sent.", event.type, event.id)

    def _recipient_of(self, event: Event) -> Recipient | None:
        data = event.data
        if event.type != OPENED:
            return self.accounts.find(data["user_id"])
        # Its own event says it, so that nobody has to be asked.
        return Recipient(data["email"], data["given_name"] or data["username"], data["language"])


def read_event(envelope: Mapping[str, Any]) -> Event:
    """Read an event that was stored, whether it could be read at that time or not.

    Raises:
        EventRefused: it can't be read.
    """
    try:
        known = _ENVELOPE.load(envelope)
        schema = SCHEMAS.get(known["type"])
        if schema is None or known["version"] != VERSION:
            raise EventRefused(f"{known['type']} of version {known['version']} is not known here.")
        data = schema.load(known["data"])
        occurred_at: datetime = known["occurred_at"].astimezone(UTC)
    except ma.ValidationError as error:
        raise EventRefused(f"It can't be read: {error.messages}") from error
    except OverflowError as error:
        raise EventRefused("It happened before the calendar begins, or after it.") from error
    return Event(known["id"], known["type"], occurred_at, data)
