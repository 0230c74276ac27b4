"""Say when a signing key begins to sign, and when the ones before it may go.

Source: NIST SP 800-57 part 1, 5.3.4 and 8.3 (cryptoperiods, and the phases of a key).  All of it
follows from the moment at which a key was made, so that processes agree that share a database::

    made, published          signs                            the ones before go
         ├── verifiers + margin ──┼──── tokens + margin ─────────────┤
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

READ_SECONDS: Final = 2.0
"""How long it takes at most until all processes of this service know what one has done."""
MARGIN: Final = timedelta(seconds=10)
"""Time for that, for a verifier whose renewal is overdue, for the fetch, and for clocks that
differ: two, three, two and two seconds."""


@dataclass(frozen=True)
class SigningKey:
    """Pair a private key with the id under which its public half is found."""

    generation: int
    key_id: str
    private_key: Ed25519PrivateKey
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Schedule:
    """Hold what the moments follow from.

    Args:
        verifiers: how long a verifier keeps a key set before it fetches the next.
        tokens: how long a token is good.
        rotation: the age of the newest key at which the next one is made.
    """

    verifiers: timedelta
    tokens: timedelta
    rotation: timedelta

    def signs_at(self, key: SigningKey) -> datetime:
        """Return when every verifier has a key, however late it came after the one before."""
        return key.created_at + self.verifiers + MARGIN

    def signing(self, keys: Sequence[SigningKey], now: datetime) -> SigningKey:
        """Return the newest key that every verifier has, or else the oldest of all.

        Keys come in the order of generations.  An only key signs at once: without it nobody could
        sign in.
        """
        return next((key for key in reversed(keys) if self.signs_at(key) <= now), keys[0])

    def retired(self, keys: Sequence[SigningKey], now: datetime) -> Sequence[SigningKey]:
        """Return the keys of which every token has expired."""
        latest = now - self.tokens - MARGIN
        successors = (n for n, key in enumerate(keys) if self.signs_at(key) <= latest)
        return keys[: max(successors, default=0)]

    def is_due(self, keys: Sequence[SigningKey], now: datetime) -> bool:
        """Tell whether the newest key is old enough for the next one."""
        return now - keys[-1].created_at >= self.rotation
