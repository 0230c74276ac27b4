"""Stand in for time and identities in tests."""

import base64
import itertools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chassis.inbound.keyset import Keys

START = datetime(2030, 1, 1, tzinfo=UTC)


class FakeClock:
    """Stand still until told to move."""

    def __init__(self, now: datetime = START) -> None:
        """Begin at a moment."""
        self._now = now
        self._monotonic = 1000.0

    def now(self) -> datetime:
        """Return the wall time."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds of the monotonic clock."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        """Set the wall clock, as an administrator would; the monotonic one goes on."""
        self._now += timedelta(seconds=seconds)


class TokenMint:
    """Issue tokens that an application under test trusts, and play its key set."""

    def __init__(self) -> None:
        """Make a key pair."""
        self.private_key = Ed25519PrivateKey.generate()
        self.key_id = "test-key"
        self.revoked: set[str] = set()
        self._serial = itertools.count(1)

    def keys(self) -> Keys:
        """Return the public key, as a :class:`~chassis.inbound.keyset.KeySet` does."""
        return {self.key_id: self.private_key.public_key()}

    def is_revoked(self, session_id: str) -> bool:
        """Tell whether a session is among ``revoked``."""
        return session_id in self.revoked

    def jwks(self) -> dict[str, Any]:
        """Return the public key as a JWK set."""
        raw = self.private_key.public_key().public_bytes_raw()
        x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
        return {"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": self.key_id, "x": x}]}

    def claims(self, subject: str, **changes: Any) -> dict[str, Any]:
        """Return good claims with changes; a change to None removes the claim."""
        now = int(datetime.now(UTC).timestamp())
        name = {"iss": "potion-shop", "aud": "shop", "jti": f"test-{next(self._serial)}"}
        good = {**name, "iat": now, "exp": now + 600, "sub": subject, "roles": []}
        return {name: value for name, value in {**good, **changes}.items() if value is not None}

    def sign(self, claims: Mapping[str, Any], **headers: Any) -> str:
        """Return a token with these claims; keywords change its header."""
        header = {"typ": "at+jwt", "kid": self.key_id, **headers}
        return jwt.encode(dict(claims), self.private_key, algorithm="EdDSA", headers=header)

    def user(self, subject: str = "user-1", roles: tuple[str, ...] = ()) -> str:
        """Return the token of a person."""
        return self.sign(self.claims(subject, roles=list(roles)))

    def service(self, name: str, *scopes: str) -> str:
        """Return the token of a service with scopes."""
        return self.sign(self.claims(f"service:{name}", scope=" ".join(scopes)))


def bearer(token: str) -> dict[str, str]:
    """Return the headers that carry a token."""
    return {"Authorization": f"Bearer {token}"}
