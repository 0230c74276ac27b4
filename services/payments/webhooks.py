"""Receive the provider's events: signed, recent, each once.

Source: the scheme of Stripe's ``Stripe-Signature``.  An event is a hint and never the truth: what
it says is looked up in the provider's own record before it changes anything.
"""

import hashlib
import hmac
import logging
import re
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy.exc import IntegrityError

from . import repository
from .domain import Status
from .errors import ForgedWebhook, StaleWebhook, WebhookMismatch
from .models import Payment, WebhookEvent
from .service import Till, confirm_from_record

SIGNATURE_HEADER: Final = "Webhook-Signature"
MAX_AGE_SECONDS: Final = 300

_SIGNATURE = re.compile(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})", re.ASCII)

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


def sign(body: bytes, secret: str, timestamp: int) -> str:
    """Return the signature header of a body sent at a moment in Unix seconds."""
    return f"t={timestamp},v1={_digest(body, secret, str(timestamp))}"


def verify(header: str, body: bytes, secret: str, now: float) -> None:
    """Accept a body that the provider has signed no longer than five minutes ago.

    Raises:
        ForgedWebhook: the signature is missing, malformed or somebody else's.
        StaleWebhook: it is too old, or from the future.
    """
    match = _SIGNATURE.fullmatch(header)
    if match is None:
        raise ForgedWebhook(f"Send '{SIGNATURE_HEADER}: t=<unix seconds>,v1=<hex HMAC-SHA256>'.")
    if not hmac.compare_digest(_digest(body, secret, match[1]), match[2]):
        raise ForgedWebhook
    # Only a genuine signature says anything about its age.
    if abs(int(now) - int(match[1])) > MAX_AGE_SECONDS:
        raise StaleWebhook


def receive(till: Till, event: Event) -> None:
    """Take note of an event; one that came before changes nothing.

    Raises:
        PaymentNotFound: it is about no payment of ours.
        WebhookMismatch: its amount can't be the payment's.
        ProviderSilent: what it says can't be looked up now, so it has to be sent again.
    """
    with till.database.read() as session:
        if session.get(WebhookEvent, event.id):
            return
        payment = repository.get_payment(session, event.payment_id)
    _check_amount(payment, event)
    # No other state has anything left for an event to settle: captures and refunds are asked for
    # here, and their repetition finds out what became of them.
    if payment.status == Status.PENDING:
        confirm_from_record(till, payment)
    _remember(till, event)


def _digest(body: bytes, secret: str, timestamp: str) -> str:
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _check_amount(payment: Payment, event: Event) -> None:
    # A refund may be of a part; everything else is about the whole.
    least = 1 if event.type == EventType.REFUNDED else payment.amount_minor
    in_range = least <= event.amount_minor <= payment.amount_minor
    if event.currency != payment.currency or not in_range:
        logger.warning("webhook %s names a wrong amount for payment %s", event.id, payment.id)
        raise WebhookMismatch


def _remember(till: Till, event: Event) -> None:
    seen = WebhookEvent(
        id=event.id,
        type=event.type,
        payment_id=event.payment_id,
        received_at=till.clock.now(),
    )
    # Of two deliveries at once one stores it.
    with suppress(IntegrityError), till.database.write() as session:
        session.add(seen)
