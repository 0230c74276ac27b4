"""Remember what was answered to a request, so that sending it again has no second effect.

Pattern: Idempotency key (IETF draft-ietf-httpapi-idempotency-key-header; Stripe's API).
A record belongs to an owner and a key; it is claimed in the transaction that first changes
something and completed in the one that settles the answer.  What was refused before the claim,
such as a body that is not valid, is not remembered.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import JSON, LargeBinary, String, delete, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from chassis.errors import Conflict, Invalid, Malformed
from storage.database import Timestamp

HEADER = "Idempotency-Key"
MAX_KEY_LENGTH = 255

Record = TypeVar("Record", bound="IdempotencyColumns")


class MissingIdempotencyKey(Malformed):
    """Ask for the header."""

    code = "idempotency_key_missing"
    title = "Idempotency-Key is missing"


class MalformedIdempotencyKey(Malformed):
    """Refuse a key that is empty, too long, repeated or not plain ASCII."""

    code = "idempotency_key_malformed"
    title = "Idempotency-Key is malformed"


class IdempotencyKeyReused(Invalid):
    """Refuse a key that came with another body before."""

    code = "idempotency_key_reused"
    title = "Idempotency-Key was used for another request"


class InProgress(Conflict):
    """Ask to wait for the first request with this key."""

    code = "in_progress"
    title = "A request with this Idempotency-Key is still running"


class IdempotencyColumns:
    """Give a service's table of records its columns.

    The service declares the table; ``subject`` names what the request made, and ``status`` is
    empty until the answer is known.
    """

    owner: Mapped[str] = mapped_column(String(128), primary_key=True)
    key: Mapped[str] = mapped_column(String(MAX_KEY_LENGTH), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(Timestamp, index=True)
    status: Mapped[int | None]
    headers: Mapped[dict[str, str] | None] = mapped_column(JSON)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)


@dataclass(frozen=True)
class Request:
    """Identify a request: whose it is, its key, and a digest of what it asks for."""

    owner: str
    key: str
    fingerprint: str


@dataclass(frozen=True)
class StoredAnswer:
    """Hold an answer, byte for byte."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def read_key(values: Sequence[str]) -> str:
    """Return the key from the values of the header, bare or in double quotes.

    Raises:
        MissingIdempotencyKey: there is no header.
        MalformedIdempotencyKey: there are two, or it is not 1 to 255 visible ASCII characters.
    """
    if not values:
        message = f"Send an {HEADER} header, for example a fresh UUID, and the same one to retry."
        raise MissingIdempotencyKey(message)
    key = values[0]
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    # Servers join two headers with a comma, so that a key can't have one.
    visible = all("!" <= character <= "~" and character != "," for character in key)
    if len(values) > 1 or not 1 <= len(key) <= MAX_KEY_LENGTH or not visible:
        message = (
            f"{HEADER} takes one value of 1 to {MAX_KEY_LENGTH} visible ASCII characters, no comma."
        )
        raise MalformedIdempotencyKey(message)
    return key


def fingerprint(*parts: Any) -> str:
    """Return a digest of what the request asks for, whatever the order of its members."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def find(
    session: Session, model: type[Record], request: Request, *, lock: bool = False
) -> Record | None:
    """Return the record of a key, or None when the key is new; ``lock`` keeps others from it.

    Raises:
        IdempotencyKeyReused: it came with another body before.
    """
    record = session.get(model, (request.owner, request.key), with_for_update=lock)
    if record is not None and record.fingerprint != request.fingerprint:
        message = "This key belongs to a request with another body; use a fresh one."
        raise IdempotencyKeyReused(message)
    return record


def claim(
    session: Session, model: type[Record], request: Request, subject: str, now: datetime
) -> Record:
    """Add the record of a new request; the caller's transaction decides whether it stays."""
    record = model()
    record.owner, record.key, record.fingerprint = request.owner, request.key, request.fingerprint
    record.subject, record.created_at = subject, now
    session.add(record)
    session.flush()
    return record


def forget_older(
    session: Session, model: type[IdempotencyColumns], now: datetime, seconds: float
) -> None:
    """Delete the records past their life."""
    session.execute(delete(model).where(model.created_at < now - timedelta(seconds=seconds)))


def complete(
    session: Session, model: type[IdempotencyColumns], key: tuple[str, str], answer: StoredAnswer
) -> None:
    """Store the answer under an owner and key in the caller's transaction, if they are there."""
    values = {"status": answer.status, "headers": dict(answer.headers), "body": answer.body}
    record = update(model).where(model.owner == key[0], model.key == key[1])
    # Past the unit of work, which would read the record first.
    session.connection().execute(record.values(**values))


def answer_of(record: IdempotencyColumns) -> StoredAnswer | None:
    """Return the stored answer, or None while the first request is running."""
    if record.status is None:
        return None
    return StoredAnswer(record.status, record.headers or {}, record.body or b"")
