"""Publish whose access has ended before their tokens expire.

Whoever verifies tokens asks every few seconds for what is new.  The ids are random and name nobody,
so that everybody may know them, like the serial numbers of a certificate revocation list.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from .models import Revocation

# Commits overtake one another, and clocks of several copies of this service differ a little.
OVERLAP = timedelta(seconds=10)


def revoked(
    session: Session, since: int | None, now: datetime, token_life: timedelta
) -> dict[str, object]:
    """Return the access ids revoked since a moment, in Unix seconds, or in a token's life."""
    begin = now - token_life
    if since is not None:
        begin = max(begin, datetime.fromtimestamp(since, UTC))
    rows = select(Revocation.access_id).where(Revocation.revoked_at >= begin - OVERLAP)
    return {
        "revoked": session.scalars(rows).all(),
        "now": int(now.timestamp()),
        "seconds": int((token_life + OVERLAP).total_seconds()),
    }


def forget_expired(session: Session, now: datetime, token_life: timedelta) -> None:
    """Drop what no living token names any more."""
    old = Revocation.revoked_at < now - token_life - OVERLAP
    session.execute(delete(Revocation).where(old))
