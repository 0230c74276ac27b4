"""Take events that other services publish, each once.

Pattern: Idempotent consumer (Richardson, Microservices Patterns, 3.3.6).  What a service does about
an event and the note that it has seen it are one transaction.  Events come over HTTP from a relay
of :mod:`~messaging.outbox`, or by a message broker; :meth:`Consumer.take` is the same for both.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import marshmallow as ma
from flask import current_app
from marshmallow import fields
from sqlalchemy.orm import Session

from chassis.clock import Clock
from chassis.errors import Invalid
from chassis.inbound.api import Blueprint, Integer, Text
from chassis.inbound.identity import requires_scope
from messaging.inbox import InboxColumns, first_time, forget_older
from storage.database import Database

VERSION = 1
# Longer than a publisher or a broker keeps an event that was taken already.
KEPT = timedelta(days=30)

bp = Blueprint("events", __name__, description="What other services tell")


class UnknownVersion(Invalid):
    """Refuse an event whose data has another form than is known here."""

    code = "unknown_version"
    title = "Unknown version"


class Lenient(ma.Schema):
    """Ignore members that are not declared: a newer publisher may tell more."""

    class Meta:
        """Pass over what is unknown."""

        unknown = ma.EXCLUDE


class EnvelopeSchema(Lenient):
    """Read what every event carries; ``contracts/events`` describes it."""

    id = Text(required=True, minimum=1, maximum=36)
    type = Text(required=True, minimum=1, maximum=64)
    version = Integer(required=True, minimum=1)
    aggregate_id = Text(required=True, minimum=1, maximum=64)
    occurred_at = fields.AwareDateTime(required=True)
    request_id = Text(load_default=None, allow_none=True, maximum=64)
    data = fields.Dict(required=True)


@dataclass(frozen=True)
class Wanted:
    """Say how to read the data of a type of event, and what to do about it.

    ``handle`` works in the transaction that notes the event; it gets the envelope, with the data
    as ``data`` gave it.
    """

    data: ma.Schema
    handle: Callable[[Session, Mapping[str, Any]], None]


class Consumer:
    """Have the effects of events; several processes may do so on one database."""

    def __init__(
        self,
        database: Database,
        inbox: type[InboxColumns],
        clock: Clock,
        wanted: Mapping[str, Wanted],
    ) -> None:
        """Note what was seen in ``inbox``; ``wanted`` holds by type what has an effect here."""
        self._database = database
        self._inbox = inbox
        self._clock = clock
        self._wanted = wanted

    def take(self, envelope: Mapping[str, Any]) -> None:
        """Have the effect of an event, as :class:`EnvelopeSchema` read it, unless it had it before.

        Raises:
            Invalid: its version or its data can't be read.
        """
        wanted = self._wanted.get(envelope["type"])
        if wanted is None:
            return
        if envelope["version"] != VERSION:
            raise UnknownVersion(f"Version {envelope['version']} is not known here.")
        try:
            data = wanted.data.load(envelope["data"])
        except ma.ValidationError as error:
            raise Invalid("The data can't be read.", errors=error.messages) from error
        with self._database.write() as session:
            if first_time(session, self._inbox, envelope["id"], self._clock.now()):
                wanted.handle(session, {**envelope, "data": data})

    def forget(self) -> None:
        """Drop the notes of events that won't come again."""
        with self._database.write() as session:
            forget_older(session, self._inbox, self._clock.now(), KEPT.total_seconds())


@bp.post("/internal/events")
@requires_scope("events:write")
@bp.arguments(EnvelopeSchema, unknown=ma.EXCLUDE)
@bp.response(204)
def take_event(envelope: dict[str, Any]) -> None:
    """Take an event from another service; what came before and what nobody wants is fine, too."""
    consumer: Consumer = current_app.extensions["consumer"]
    consumer.take(envelope)
