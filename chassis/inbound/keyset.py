"""Keep the public keys that tokens are verified with.

Source: RFC 7517 (JSON Web Key), RFC 8037 (Ed25519 keys).  A token never causes a fetch: an
unknown ``kid`` is refused, because the issuer publishes a key before it signs with it.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jwt import PyJWKSet

from chassis.clock import Clock
from chassis.config import ServiceConfig
from chassis.inbound.revocations import Revocations
from chassis.renewal import Renewed

Keys = Mapping[str, Ed25519PublicKey]

KEY_SET_PATH = "/.well-known/jwks.json"
# The issuer counts on it: after a quiet hour the set at hand may lack the key that signs by now.
OVERDUE_SECONDS = 3.0


class KeySet(Protocol):
    """Give the keys that are trusted now, and say which sessions are not."""

    def keys(self) -> Keys:
        """Return the keys by their ``kid``.

        Raises:
            Unavailable: when no key set is known, or the last one is too old to be trusted.
        """
        ...

    def is_revoked(self, session_id: str) -> bool:
        """Tell whether a session lost its access, so that its tokens are refused."""
        ...


def parse_key_set(document: dict[str, Any]) -> Keys:
    """Read the Ed25519 keys of a JWK set; others are passed over.

    Raises:
        ValueError, PyJWTError: there is none.
    """
    jwks = PyJWKSet.from_dict(document).keys
    usable = [jwk for jwk in jwks if jwk.key_id and isinstance(jwk.key, Ed25519PublicKey)]
    if not usable:
        raise ValueError("there is no usable key in it")
    return {str(jwk.key_id): jwk.key for jwk in usable}


class RemoteKeySet:
    """Fetch the key set, renew it in the background, and outlive the issuer for a while."""

    def __init__(
        self,
        fetch: Callable[[str], dict[str, Any]],
        config: ServiceConfig,
        clock: Clock | None = None,
    ) -> None:
        """Take the ``fetch`` that returns a JSON document of the issuer or raises."""

        def fetch_keys() -> tuple[Keys, float, float]:
            keys = parse_key_set(fetch(KEY_SET_PATH))
            return keys, config.key_set_seconds, config.key_set_stale_seconds

        without = "Identities can't be checked at the moment."
        self._keys = Renewed(
            "key-set", fetch_keys, clock, without=without, overdue_seconds=OVERDUE_SECONDS
        )
        self._revocations = Revocations(fetch, config, clock, self._hear_of)

    def keys(self) -> Keys:
        """Return the trusted keys; whoever comes first, or after a pause, waits for them."""
        return self._keys.get()

    def is_revoked(self, session_id: str) -> bool:
        """Tell whether a session lost its access, as the issuer says."""
        return session_id in self._revocations

    def _hear_of(self, key_ids: Collection[str]) -> None:
        keys = self._keys.get()
        # A key that has leaked must not be trusted for as long as the set is fresh.
        if set(key_ids) != set(keys):
            self._keys.reject(keys)
