"""Sign people and services in: the use cases of this service."""

import hmac
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from chassis.clock import Clock
from chassis.errors import Unauthenticated, Unavailable
from chassis.inbound import audit
from storage.database import Database

from . import devices, revocation, sessions, throttle
from .domain import CLIENT_SCOPES, folded
from .errors import InvalidClient, InvalidCredentials, SessionOver, TooManyAttempts
from .keys import KeyRing
from .models import User
from .passwords import PasswordHasher
from .throttle import Attempt, Throttle
from .tokens import AccessToken, TokenIssuer

LOG_IN = "login.password"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Say where a request comes from, and the token of its device, if it has one."""

    source: str
    device: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Desk:
    """Hold what the use cases work with.

    ``announce`` has events delivered that were stored; ``device_life`` is how long a device is
    known after it has signed in.
    """

    database: Database
    hasher: PasswordHasher
    key_ring: KeyRing
    issuer: TokenIssuer
    secrets_dir: Path
    clock: Clock
    lives: sessions.Lives
    throttle: Throttle
    device_life: timedelta
    announce: Callable[[], None]


def log_in(desk: Desk, username: str, password: str, visitor: Visitor) -> AccessToken:
    """Begin a session for whoever knows the password, and return its first tokens.

    No transaction is open while the password is checked, which takes long.

    Raises:
        InvalidCredentials: after the same work, whether the user is unknown or the password wrong.
        TooManyAttempts: it has to wait, whether or not there is such a user.
        HasherBusy: too many passwords are being checked.
    """
    with desk.database.read() as session:
        # Whoever is disabled is nobody here, so that it takes as long and says as much.
        may_sign_in = (User.folded_username == folded(username)) & User.disabled_at.is_(None)
        user = session.scalar(select(User).where(may_sign_in))
        user_id = user.id if user else None
        device = devices.find(session, user_id, visitor.device, desk.clock.now())
    attempt = Attempt(username, visitor.source, device)
    try:
        user = check_password(desk, user, password, attempt)
        if desk.hasher.is_outdated(user.password_hash):
            _renew_hash(desk, user, password)
        token = _begin_session(desk, user, attempt, visitor)
    except (TooManyAttempts, InvalidCredentials) as error:
        outcome = "throttled" if isinstance(error, TooManyAttempts) else "refused"
        audit.record(LOG_IN, outcome, user=user_id)
        raise
    audit.record(LOG_IN, "allowed", user=user_id)
    return token


def check_password(desk: Desk, user: User | None, password: str, attempt: Attempt) -> User:
    """Return the user whose password it is.

    The guess is counted once there is a place to check it, so that no more of them are undecided
    than can be checked: many that are right may come at once.

    Raises:
        InvalidCredentials: it is another, or there is no user.
        TooManyAttempts: the guess has to wait.
        HasherBusy: too many passwords are being checked.
    """
    stored = user.password_hash if user else None
    known = desk.hasher.matches(stored, password, first=lambda: desk.throttle.admit(attempt))
    if user is None or not known:
        raise InvalidCredentials
    return user


def _begin_session(desk: Desk, user: User, attempt: Attempt, visitor: Visitor) -> AccessToken:
    with desk.database.write() as session:
        # Whoever was erased or disabled meanwhile does not get in.
        if find_enabled(session, user.id) is None:
            raise InvalidCredentials
        desk.throttle.forgive(session, attempt)
        ticket = sessions.begin(session, user, desk.clock.now(), desk.lives)
        return signed_in(desk, session, ticket, visitor)


def find_enabled(session: Session, user_id: str) -> User | None:
    """Return a user as they are now, and lock them; None when they may not sign in."""
    user = session.get(User, user_id, with_for_update=True)
    return user if user and user.disabled_at is None else None


def signed_in(
    desk: Desk, session: Session, ticket: sessions.Ticket, visitor: Visitor
) -> AccessToken:
    """Return the tokens of a new session, with one by which its device is known from now on."""
    now, life = desk.clock.now(), desk.device_life
    device = devices.remember(session, ticket.user.id, visitor.device, now, life)
    return replace(_tokens(desk, ticket), device=device)


def forget_expired(desk: Desk) -> None:
    """Drop what was counted and what is known of devices, once it is of no use."""
    with desk.database.write() as session:
        throttle.forget_expired(session, desk.clock.now())
        devices.forget_expired(session, desk.clock.now())
        revocation.forget_expired(session, desk.clock.now(), desk.issuer.life)


def refresh(desk: Desk, refresh_token: str) -> AccessToken:
    """Return the next tokens of a session, with the roles that the user has now.

    Raises:
        SessionOver: the token was never good, or is no longer.
    """
    with desk.database.write() as session:
        ticket = sessions.rotate(session, refresh_token, desk.clock.now(), desk.lives)
    # Not before, because the end of a session has to be committed.
    if ticket is None:
        raise SessionOver
    return _tokens(desk, ticket)


def list_revocations(desk: Desk, since: int | None) -> dict[str, object]:
    """Return the access ids revoked since a moment, in Unix seconds, and the keys of today."""
    with desk.database.read() as session:
        known = revocation.revoked(session, since, desk.clock.now(), desk.issuer.life)
    return {**known, "keys": sorted(desk.key_ring.keys())}


def log_out(desk: Desk, *, access_id: str = "", refresh_token: str = "") -> None:
    """End the session that either of the two belongs to, if it lasts."""
    with desk.database.write() as session:
        now = desk.clock.now()
        login = sessions.find(session, now, access_id=access_id, refresh_token=refresh_token)
        if login:
            sessions.end(session, login, now)
    if login:
        audit.record("logout", "allowed", user=login.user_id, session_id=login.id)


def _tokens(desk: Desk, ticket: sessions.Ticket) -> AccessToken:
    user = ticket.user
    access = desk.issuer.issue(user.id, roles=user.roles, session_id=ticket.access_id)
    return replace(access, refresh_token=ticket.refresh_token)


def _renew_hash(desk: Desk, user: User, password: str) -> None:
    # A password that was changed in between stays as it is.
    unchanged = (User.id == user.id) & (User.password_hash == user.password_hash)
    # Nobody is turned away for it: the next log-in tries again.
    with suppress(Unavailable):
        renewed = desk.hasher.hash(password)
        with desk.database.write() as session:
            session.execute(update(User).where(unchanged).values(password_hash=renewed))


def get_user(desk: Desk, user_id: str) -> User:
    """Return the user of a verified token.

    Raises:
        Unauthenticated: the user is gone or disabled.
    """
    with desk.database.read() as session:
        user = session.get(User, user_id)
    # Not 404: a token whose subject is gone is no better than a forged one.
    if user is None or user.disabled_at:
        raise Unauthenticated
    return user


def issue_service_token(desk: Desk, client_id: str, client_secret: str) -> AccessToken:
    """Return a token for the service that knows its secret.

    The secret is read anew each time, so that a new one needs no restart.

    Raises:
        InvalidClient: after the same work, whether the client is unknown or the secret wrong.
    """
    known = client_id in CLIENT_SCOPES
    # Never a path that a stranger chose.
    path = desk.secrets_dir / (client_id if known else next(iter(CLIENT_SCOPES)))
    secret = path.read_text().strip() if path.is_file() else ""
    matches = hmac.compare_digest(secret.encode(), client_secret.encode())
    if not (known and secret and matches):
        logger.warning("service token refused")
        raise InvalidClient
    return desk.issuer.issue(f"service:{client_id}", scopes=CLIENT_SCOPES[client_id])
