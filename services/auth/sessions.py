"""Keep people signed in by refresh tokens, each of which is good for one use.

Sources: RFC 9700 (OAuth 2.0 security), 4.14.2: rotation, and the end of a whole family when one of
its tokens is used again, because either its owner or a thief has used it before.  An answer that
gets lost is no theft, so for a short time a used token still gives what it gave.
"""

import base64
import hashlib
import hmac
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, delete, select
from sqlalchemy.orm import Session

from chassis.inbound import audit

from .models import LoginSession, RefreshToken, Revocation, User

# More than anybody has devices; ending them all must not take long.
KEPT = 100


@dataclass(frozen=True, slots=True)
class Lives:
    """Say how long an unused token is good, and how long a used one is answered once more."""

    token: timedelta
    grace: timedelta


@dataclass(frozen=True, slots=True)
class Ticket:
    """Hold what a session gives to its user: its name for access tokens, and its next token."""

    user: User
    access_id: str
    refresh_token: str


def begin(session: Session, user: User, now: datetime, lives: Lives) -> Ticket:
    """Begin a session for a user, forget those that have run out, and keep the newest only."""
    over = (LoginSession.user_id == user.id) & (LoginSession.expires_at <= now)
    session.execute(delete(LoginSession).where(over))
    theirs = _lasting(LoginSession.user_id == user.id).order_by(None)
    for oldest in session.scalars(theirs.order_by(LoginSession.created_at.desc()).offset(KEPT - 1)):
        end(session, oldest, now)
    login = LoginSession(
        id=uuid.uuid4().hex,
        user_id=user.id,
        access_id=uuid.uuid4().hex,
        created_at=now,
        expires_at=now + lives.token,
    )
    session.add(login)
    session.flush()
    token = secrets.token_urlsafe(32)
    _store(session, login, token)
    return Ticket(user, login.access_id, token)


def rotate(session: Session, token: str, now: datetime, lives: Lives) -> Ticket | None:
    """Return the successor of a token; None when it is not good for one.

    Whoever comes late with a used token ends its session, which has to be committed.
    """
    login = _locked(session, token)
    held = session.get(RefreshToken, _hash(token)) if login else None
    if held is None or login is None or login.ended_at or login.expires_at <= now:
        return None
    successor = _successor(token, held.salt)
    if held.used_at is None:
        held.used_at = now
        login.expires_at = now + lives.token
        _store(session, login, successor)
        _forget_old(session, login, now - lives.token)
    elif now - held.used_at > lives.grace:
        end(session, login, now)
        audit.record("refresh.reuse", "ended", user=login.user_id, session_id=login.id)
        return None
    elif session.get_one(RefreshToken, _hash(successor)).used_at:
        # Its owner got the answer, so nobody needs it once more.
        return None
    return Ticket(session.get_one(User, login.user_id), login.access_id, successor)


def find(
    session: Session, now: datetime, *, access_id: str = "", refresh_token: str = ""
) -> LoginSession | None:
    """Return the session that lasts under an access id, or with any of its refresh tokens."""
    held = session.get(RefreshToken, _hash(refresh_token))
    known = LoginSession.access_id == access_id
    if held:
        known |= LoginSession.id == held.session_id
    return session.scalars(_lasting(known).where(LoginSession.expires_at > now)).first()


def end(session: Session, login: LoginSession, now: datetime) -> None:
    """End a session, its refresh tokens and its access; one that is over stays so."""
    # Somebody else may be ending it at this moment.
    session.refresh(login, with_for_update=True)
    if login.ended_at is None:
        _end(session, login, now)


def end_all(session: Session, user_id: str, now: datetime, *, but: str | None = None) -> None:
    """End all sessions of a user, except the one with the access id ``but``."""
    for login in session.scalars(_lasting(LoginSession.user_id == user_id).with_for_update()):
        if login.access_id != but:
            _end(session, login, now)


def renew_access(session: Session, user_id: str, now: datetime) -> None:
    """Have the user's sessions lose the access tokens they have; a refresh brings new ones."""
    for login in session.scalars(_lasting(LoginSession.user_id == user_id).with_for_update()):
        _change_access(session, login, now)


def renew(
    session: Session, user: User, access_id: str, now: datetime, lives: Lives
) -> Ticket | None:
    """Give a user's session other tokens in place of all that it had.

    None when it is over, or somebody else's.
    """
    mine = (LoginSession.access_id == access_id) & (LoginSession.user_id == user.id)
    login = session.scalar(_lasting(mine).with_for_update())
    if login is None or login.expires_at <= now:
        return None
    session.execute(delete(RefreshToken).where(RefreshToken.session_id == login.id))
    login.expires_at = now + lives.token
    _change_access(session, login, now)
    token = secrets.token_urlsafe(32)
    _store(session, login, token)
    return Ticket(user, login.access_id, token)


def _lasting(which: ColumnElement[bool]) -> Select[LoginSession]:
    lasting = which & LoginSession.ended_at.is_(None)
    return select(LoginSession).where(lasting).order_by(LoginSession.id)


def _end(session: Session, login: LoginSession, now: datetime) -> None:
    # The caller holds the row, and has seen that it lasts.
    login.ended_at = now
    _revoke(session, login, now)


def _revoke(session: Session, login: LoginSession, now: datetime) -> None:
    session.add(Revocation(access_id=login.access_id, revoked_at=now))


def _change_access(session: Session, login: LoginSession, now: datetime) -> None:
    _revoke(session, login, now)
    login.access_id = uuid.uuid4().hex


def _locked(session: Session, token: str) -> LoginSession | None:
    """Return the session of a token; who holds it may read and change its tokens."""
    query = select(LoginSession).join(RefreshToken).where(RefreshToken.token_hash == _hash(token))
    return session.scalar(query.with_for_update(of=LoginSession))


def _store(session: Session, login: LoginSession, token: str) -> None:
    row = RefreshToken(
        token_hash=_hash(token), session_id=login.id, salt=secrets.token_bytes(32), used_at=None
    )
    session.add(row)


def _forget_old(session: Session, login: LoginSession, before: datetime) -> None:
    old = (RefreshToken.session_id == login.id) & (RefreshToken.used_at < before)
    session.execute(delete(RefreshToken).where(old))


def _hash(token: str) -> bytes:
    # Quick, because nobody guesses 256 random bits.
    return hashlib.sha256(token.encode()).digest()


def _successor(token: str, salt: bytes) -> str:
    follows = hmac.digest(salt, token.encode(), "sha256")
    return base64.urlsafe_b64encode(follows).rstrip(b"=").decode()
