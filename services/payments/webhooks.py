"""Receive the provider's events, each once.

An event is a hint and never the truth: whatever it says, and in whatever order events come, a
payment only changes to what the provider's own record holds.
"""

import logging
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import NoReturn

from chassis.errors import ServiceError
from storage.database import repeat_on_collision

from . import refunds, repository
from .errors import WebhookIdReused, WebhookMismatch
from .models import Payment, WebhookEvent
from .service import Till, catch_up

logger = logging.getLogger(__name__)


class EventType(StrEnum):
    """Name what a provider reports."""

    AUTHORISED = "payment.authorised"
    CAPTURED = "payment.captured"
    REFUNDED = "payment.refunded"
    FAILED = "payment.failed"


@dataclass(frozen=True, slots=True)
class Event:
    """Hold what a provider reports of a payment."""

    id: str
    type: EventType
    payment_id: str
    amount_minor: int
    currency: str


def receive(till: Till, event: Event) -> None:
    """Take note of an event; one that came before changes nothing.

    Raises:
        PaymentNotFound: it is about no payment of ours.
        WebhookMismatch: its amount can't be the payment's.
        WebhookIdReused: another event has come under its id.
        ProviderSilent: what it says can't be looked up now, so it has to be sent again.
    """
    with till.database.read() as session:
        seen = session.get(WebhookEvent, event.id)
        payment = repository.get_payment(session, event.payment_id)
    if seen:
        _check_repetition(seen, event)
        return
    _check_amount(payment, event)
    catch_up(till, payment)
    refunds.confirm_from_record(till, payment)
    _remember(till, event)


def _check_amount(payment: Payment, event: Event) -> None:
    # A refund may be of a part; everything else is about the whole.
    least = 1 if event.type == EventType.REFUNDED else payment.amount_minor
    in_range = least <= event.amount_minor <= payment.amount_minor
    if event.currency != payment.currency or not in_range:
        _refuse(WebhookMismatch(), event)


def _check_repetition(seen: WebhookEvent, event: Event) -> None:
    first = Event(seen.id, EventType(seen.type), seen.payment_id, seen.amount_minor, seen.currency)
    if first != event:
        _refuse(WebhookIdReused(), event)


def _refuse(error: ServiceError, event: Event) -> NoReturn:
    """Refuse what a provider that works never sends; somebody has to look at it."""
    alert = {"alert": error.code, "event": asdict(event)}
    logger.error("webhook %s is refused: %s", event.id, error.title, extra=alert)
    raise error


def _remember(till: Till, event: Event) -> None:
    # Of two deliveries at once one is stored; the other one has to say the same.
    if seen := repeat_on_collision(lambda: _find_or_add(till, event)):
        _check_repetition(seen, event)


def _find_or_add(till: Till, event: Event) -> WebhookEvent | None:
    """Return what was stored under the id of an event, or store the event and return None."""
    with till.database.write() as session:
        seen = session.get(WebhookEvent, event.id)
        if seen is None:
            session.add(WebhookEvent(**asdict(event), received_at=till.clock.now()))
    return seen
