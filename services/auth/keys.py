"""Keep the keys that tokens are signed with, and publish their public halves.

Sources: RFC 7517 (JSON Web Key), RFC 7638 (thumbprints), RFC 8037 (Ed25519 keys).  Every key is
published and the newest signs, so that a key can be published before it is used.
"""

import base64
import hashlib
import json
import logging
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from chassis.inbound.keyset import Keys
from storage.database import Database

from .models import Revocation, StoredKey

FIRST_GENERATION = 1

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SigningKey:
    """Pair a private key with the id under which its public half is found."""

    key_id: str
    private_key: Ed25519PrivateKey

    def jwk(self) -> dict[str, str]:
        """Return the public half as a JSON Web Key."""
        public_key = self.private_key.public_key()
        return {**_essentials(public_key), "kid": self.key_id, "use": "sig", "alg": "EdDSA"}


class KeyRing:
    """Hold the keys of the database; be the key set that this service verifies with itself."""

    def __init__(self, database: Database) -> None:
        """Load nothing yet."""
        self._database = database
        self._keys: tuple[SigningKey, ...] = ()
        self._public_keys: Keys = {}

    def load(self, now: datetime) -> None:
        """Read all keys, making the first one when there is none; safe to call at any time."""
        keys = self._read()
        if not keys:
            self._make_first(now)
            keys = self._read()
        self._keys = keys
        self._public_keys = {key.key_id: key.private_key.public_key() for key in keys}

    @property
    def signing_key(self) -> SigningKey:
        """Return the key for new tokens."""
        return self._keys[-1]

    def keys(self) -> Keys:
        """Return the public keys by their ``kid``."""
        return self._public_keys

    def is_revoked(self, session_id: str) -> bool:
        """Tell at once whether a session lost its access."""
        with self._database.read() as session:
            return session.get(Revocation, session_id) is not None

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """Return the public keys as a JWK set."""
        return {"keys": [key.jwk() for key in self._keys]}

    def _read(self) -> tuple[SigningKey, ...]:
        with self._database.read() as session:
            rows = session.scalars(select(StoredKey).order_by(StoredKey.generation)).all()
        return tuple(
            SigningKey(row.key_id, Ed25519PrivateKey.from_private_bytes(row.private_key))
            for row in rows
        )

    def _make_first(self, now: datetime) -> None:
        private_key = Ed25519PrivateKey.generate()
        row = StoredKey(
            generation=FIRST_GENERATION,
            # Follows from the key, so that no two keys can ever have the same.
            key_id=thumbprint(private_key.public_key()),
            private_key=private_key.private_bytes_raw(),
            created_at=now,
        )
        try:
            with self._database.write() as session:
                session.add(row)
        except IntegrityError:
            # Another process started at the same moment; its key is as good.
            logger.info("the first signing key was made by another process")


def thumbprint(public_key: Ed25519PublicKey) -> str:
    """Return the id that follows from the key itself (RFC 7638)."""
    canonical = json.dumps(_essentials(public_key), sort_keys=True, separators=(",", ":"))
    return _base64url(hashlib.sha256(canonical.encode()).digest())


def _essentials(public_key: Ed25519PublicKey) -> dict[str, str]:
    return {"crv": "Ed25519", "kty": "OKP", "x": _base64url(public_key.public_bytes_raw())}


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
