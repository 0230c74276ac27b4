"""Keep the keys that tokens are signed with, and publish their public halves.

Sources: RFC 7517 (JSON Web Key), RFC 7638 (thumbprints), RFC 8037 (Ed25519 keys).  Every key is
published; ``rotation`` says which of them signs, and when it may go.
"""

import base64
import hashlib
import json
import logging
from collections.abc import Sequence
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError

from chassis.clock import Clock
from chassis.errors import Unavailable
from chassis.inbound import audit
from chassis.inbound.keyset import Keys
from storage.database import Database, repeat_on_collision

from .models import Revocation, StoredKey
from .rotation import Schedule, SigningKey

FIRST_GENERATION = 1
ROTATED = "keys.rotated"

logger = logging.getLogger(__name__)


class KeyRing:
    """Hold the keys of the database; be the key set that this service verifies with itself."""

    def __init__(self, database: Database, clock: Clock, schedule: Schedule) -> None:
        """Load nothing yet."""
        self._database = database
        self._clock = clock
        self._schedule = schedule
        self._keys: tuple[SigningKey, ...] = ()
        self._public_keys: Keys = {}

    def load(self) -> None:
        """Read all keys, making the first one when there is none; safe to call at any time."""
        keys = self._read()
        if not keys:
            self._make(FIRST_GENERATION)
            keys = self._read()
        self._keys = keys
        self._public_keys = {key.key_id: key.private_key.public_key() for key in keys}

    def keep_up(self) -> None:
        """Read what other processes did, make the next key in time, and drop those that are over.

        Most turns just read.  Nothing happens before the first load: the tables may be missing.
        """
        if not self._keys:
            return
        self.load()
        now, keys = self._clock.now(), self._keys
        is_due, retired = self._schedule.is_due(keys, now), self._schedule.retired(keys, now)
        if is_due and (made := self._make(keys[-1].generation + 1)):
            self._note(made)
        if retired:
            self._drop(retired)
        if is_due or retired:
            self.load()

    def rotate(self, *, at_once: bool = False) -> SigningKey:
        """Make and publish the next key, which signs when every verifier has it.

        Args:
            at_once: it signs from now on and all others are gone, whoever still needs them.

        Raises:
            Unavailable: the tables are not there yet, or the database can't serve.
        """
        if not self._keys:
            raise Unavailable("There is no signing key yet; the log says why.")
        made = repeat_on_collision(lambda: self._make_next(at_once=at_once))
        self._note(made)
        self.load()
        return made

    def signs_at(self, key: SigningKey) -> datetime:
        """Return the moment from which a key of the ring signs: its first when it does already."""
        signs = self.signing_key.key_id == key.key_id
        return key.created_at if signs else self._schedule.signs_at(key)

    @property
    def signing_key(self) -> SigningKey:
        """Return the key for new tokens."""
        return self._schedule.signing(self._keys, self._clock.now())

    def keys(self) -> Keys:
        """Return the public keys by their ``kid``."""
        return self._public_keys

    def is_revoked(self, session_id: str) -> bool:
        """Tell at once whether a session lost its access."""
        with self._database.read() as session:
            return session.get(Revocation, session_id) is not None

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """Return the public keys as a JWK set."""
        return {"keys": [_jwk(key) for key in self._keys]}

    def _read(self) -> tuple[SigningKey, ...]:
        with self._database.read() as session:
            rows = session.scalars(select(StoredKey).order_by(StoredKey.generation)).all()
        return tuple(_key_of(row) for row in rows)

    def _make(self, generation: int) -> SigningKey | None:
        """Store a key of a generation, unless another process was first; its key is as good."""
        row = _new_row(generation, self._clock.now())
        try:
            with self._database.write() as session:
                session.add(row)
        except IntegrityError:
            logger.info("signing key %d was made by another process", generation)
            return None
        return _key_of(row)

    def _make_next(self, *, at_once: bool) -> SigningKey:
        with self._database.write() as session:
            newest = session.scalar(select(func.max(StoredKey.generation))) or 0
            if at_once:
                session.execute(delete(StoredKey))
            row = _new_row(newest + 1, self._clock.now())
            session.add(row)
        return _key_of(row)

    def _drop(self, keys: Sequence[SigningKey]) -> None:
        ids = [key.key_id for key in keys]
        with self._database.write() as session:
            session.execute(delete(StoredKey).where(StoredKey.key_id.in_(ids)))
        logger.info("dropped signing keys whose tokens have expired: %s", ", ".join(ids))

    def _note(self, key: SigningKey) -> None:
        audit.record(ROTATED, "allowed", key_id=key.key_id)


def _new_row(generation: int, now: datetime) -> StoredKey:
    private_key = Ed25519PrivateKey.generate()
    return StoredKey(
        generation=generation,
        # Follows from the key, so that no two keys can ever have the same.
        key_id=thumbprint(private_key.public_key()),
        private_key=private_key.private_bytes_raw(),
        created_at=now,
    )


def _key_of(row: StoredKey) -> SigningKey:
    private_key = Ed25519PrivateKey.from_private_bytes(row.private_key)
    return SigningKey(row.generation, row.key_id, private_key, row.created_at)


def _jwk(key: SigningKey) -> dict[str, str]:
    """Return the public half of a key as a JSON Web Key."""
    public_key = key.private_key.public_key()
    return {**_essentials(public_key), "kid": key.key_id, "use": "sig", "alg": "EdDSA"}


def thumbprint(public_key: Ed25519PublicKey) -> str:
    """Return the id that follows from the key itself (RFC 7638)."""
    canonical = json.dumps(_essentials(public_key), sort_keys=True, separators=(",", ":"))
    return _base64url(hashlib.sha256(canonical.encode()).digest())


def _essentials(public_key: Ed25519PublicKey) -> dict[str, str]:
    return {"crv": "Ed25519", "kty": "OKP", "x": _base64url(public_key.public_bytes_raw())}


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
