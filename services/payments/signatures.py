"""Sign the provider's events, and tell genuine and recent ones from all others.

Source: the scheme of Stripe's ``Stripe-Signature``.  While a secret is being replaced a provider
may send several signatures, one for each secret; one genuine signature is enough.
"""

import hashlib
import hmac
import re
from typing import Final

from .errors import ForgedWebhook, StaleWebhook

SIGNATURE_HEADER: Final = "Webhook-Signature"
MAX_AGE_SECONDS: Final = 300

_HEADER = re.compile(r"t=([0-9]{1,12})((?:,v1=[0-9a-f]{64}){1,4})", re.ASCII)


def sign(body: bytes, secret: str, timestamp: int) -> str:
    """Return the signature header of a body sent at a moment in Unix seconds."""
    return f"t={timestamp},v1={_digest(body, secret, str(timestamp))}"


def verify(header: str, body: bytes, secret: str, now: float) -> None:
    """Accept a body that the provider has signed no longer than five minutes ago.

    Raises:
        ForgedWebhook: the signature is missing, malformed or somebody else's.
        StaleWebhook: it is too old, or from the future.
    """
    match = _HEADER.fullmatch(header)
    if match is None:
        raise ForgedWebhook(f"Send '{SIGNATURE_HEADER}: t=<unix seconds>,v1=<hex HMAC-SHA256>'.")
    genuine = _digest(body, secret, match[1])
    given = match[2].split(",v1=")[1:]
    # All are compared, so that the time says nothing of which one was right.
    if not sum(hmac.compare_digest(genuine, one) for one in given):
        raise ForgedWebhook
    # Only a genuine signature says anything about its age.
    if abs(int(now) - int(match[1])) > MAX_AGE_SECONDS:
        raise StaleWebhook


def _digest(body: bytes, secret: str, timestamp: str) -> str:
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
