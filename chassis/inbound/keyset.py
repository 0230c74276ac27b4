"""Keep the public keys that tokens are verified with.

Source: RFC 7517 (JSON Web Key), RFC 8037 (Ed25519 keys).  A token never causes a fetch: an
unknown ``kid`` is refused, because the issuer publishes a key before it signs with it.
"""

import base64
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from chassis.clock import Clock, SystemClock
from chassis.config import ServiceConfig
from chassis.errors import ServiceError, Unavailable

Keys = Mapping[str, Ed25519PublicKey]

KEY_SET_PATH = "/.well-known/jwks.json"
# How long to leave an unreachable issuer alone before the next try.
RETRY_SECONDS = 1.0

logger = logging.getLogger(__name__)


class KeySet(Protocol):
    """Give the keys that are trusted now."""

    def keys(self) -> Keys:
        """Return the keys by their ``kid``.

        Raises:
            Unavailable: when no key set is known, or the last one is too old to be trusted.
        """
        ...


def parse_key_set(document: Mapping[str, Any]) -> Keys:
    """Read the Ed25519 keys of a JWK set; others are passed over.

    Raises:
        ValueError: there is none.
    """
    keys = {}
    for jwk in document.get("keys", ()):
        if jwk.get("kty") == "OKP" and jwk.get("crv") == "Ed25519" and jwk.get("kid"):
            raw = base64.urlsafe_b64decode(jwk["x"] + "=" * (-len(jwk["x"]) % 4))
            keys[jwk["kid"]] = Ed25519PublicKey.from_public_bytes(raw)
    if not keys:
        raise ValueError("there is no usable key in it")
    return keys


class RemoteKeySet:
    """Fetch the key set, renew it in the background, and outlive the issuer for a while."""

    def __init__(
        self,
        fetch: Callable[[str], Mapping[str, Any]],
        config: ServiceConfig,
        clock: Clock | None = None,
    ) -> None:
        """Take the ``fetch`` that returns a JSON document of the issuer or raises."""
        self._fetch = fetch
        self._clock = clock or SystemClock()
        self._fresh_seconds = config.key_set_seconds
        self._stale_seconds = config.key_set_stale_seconds
        self._keys: Keys = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._renewing = threading.Lock()

    def keys(self) -> Keys:
        """Return the trusted keys; only the first call of all waits for the issuer."""
        age = self._clock.monotonic() - self._fetched_at
        if age > self._fresh_seconds:
            if age > self._stale_seconds:
                self._renew(wait=True)
            elif self._clock.monotonic() - self._tried_at > RETRY_SECONDS:
                threading.Thread(target=self._renew, name="key-set", daemon=True).start()
        if self._clock.monotonic() - self._fetched_at > self._stale_seconds:
            message = "Identities can't be checked at the moment."
            raise Unavailable(message, retry_after_seconds=RETRY_SECONDS)
        return self._keys

    def _renew(self, *, wait: bool = False) -> None:
        if not self._renewing.acquire(blocking=wait):
            return
        try:
            # Somebody else may have tried while this caller waited for the lock.
            if self._clock.monotonic() - self._tried_at <= RETRY_SECONDS:
                return
            self._keys = parse_key_set(self._fetch(KEY_SET_PATH))
            self._fetched_at = self._clock.monotonic()
        except (ServiceError, ValueError, KeyError, TypeError, AttributeError) as error:
            logger.warning("the key set could not be renewed: %s", error)
        finally:
            self._tried_at = self._clock.monotonic()
            self._renewing.release()
