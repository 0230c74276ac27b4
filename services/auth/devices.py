"""Know the browsers that have signed in to an account before.

Source: OWASP, "Slow down online guessing attacks with device cookies".  Such a token opens
nothing: whoever shows it still needs the password, and just has an allowance of their own.
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from .models import Device

KEPT: Final = 20
"""The newest devices of a user that are known."""


def find(session: Session, user_id: str | None, token: str | None, now: datetime) -> bytes | None:
    """Return the hash of a device's token if it is known to the user."""
    if token is None:
        return None
    query = select(Device.token_hash).where(
        Device.token_hash == _hash(token),
        # It takes as long for nobody.
        Device.user_id == (user_id or ""),
        Device.expires_at > now,
    )
    return session.scalar(query)


def remember(
    session: Session, user_id: str, shown: str | None, now: datetime, life: timedelta
) -> str:
    """Return a new token for a device; the one that it has shown is good no more.

    The caller has locked the user.
    """
    if shown is not None:
        session.execute(delete(Device).where(Device.token_hash == _hash(shown)))
    token = secrets.token_urlsafe(32)
    device = Device(token_hash=_hash(token), user_id=user_id, created_at=now, expires_at=now + life)
    session.add(device)
    session.flush()
    newest = select(Device.token_hash).where(Device.user_id == user_id)
    newest = newest.order_by(Device.created_at.desc(), Device.token_hash).limit(KEPT)
    others = (Device.user_id == user_id) & Device.token_hash.not_in(newest)
    session.execute(delete(Device).where(others, Device.token_hash != _hash(token)))
    return token


def forget_expired(session: Session, now: datetime) -> None:
    """Drop devices that were not seen for too long."""
    session.execute(delete(Device).where(Device.expires_at <= now))


def _hash(token: str) -> bytes:
    # Quick, because nobody guesses 256 random bits.
    return hashlib.sha256(token.encode()).digest()
