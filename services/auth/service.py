"""Sign people and services in: the use cases of this service."""

import hmac
import logging
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import select, update

from chassis.clock import Clock
from chassis.errors import Unauthenticated, Unavailable
from storage.database import Database

from . import sessions
from .domain import CLIENT_SCOPES, folded
from .errors import InvalidClient, InvalidCredentials, SessionOver
from .keys import KeyRing
from .models import User
from .passwords import PasswordHasher
from .tokens import AccessToken, TokenIssuer

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Desk:
    """Hold what the use cases work with."""

    database: Database
    hasher: PasswordHasher
    key_ring: KeyRing
    issuer: TokenIssuer
    secrets_dir: Path
    clock: Clock
    lives: sessions.Lives


def log_in(desk: Desk, username: str, password: str) -> AccessToken:
    """Begin a session for whoever knows the password, and return its first tokens.

    No transaction is open while the password is checked, which takes long.

    Raises:
        InvalidCredentials: after the same work, whether the user is unknown or the password wrong.
        HasherBusy: too many passwords are being checked.
    """
    with desk.database.read() as session:
        user = session.scalar(select(User).where(User.folded_username == folded(username)))
    if not desk.hasher.matches(user.password_hash if user else None, password) or user is None:
        # Neither name nor source is logged: people type passwords into the wrong field.
        logger.warning("log-in refused")
        raise InvalidCredentials
    if desk.hasher.is_outdated(user.password_hash):
        _renew_hash(desk, user, password)
    with desk.database.write() as session:
        ticket = sessions.begin(session, user, desk.clock.now(), desk.lives)
    logger.info("user %s logged in", user.id)
    return _tokens(desk, ticket)


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


def log_out(desk: Desk, session_id: str) -> None:
    """End a session; its access tokens last until they expire."""
    with desk.database.write() as session:
        sessions.end(session, session_id, desk.clock.now())


def _tokens(desk: Desk, ticket: sessions.Ticket) -> AccessToken:
    user = ticket.user
    access = desk.issuer.issue(user.id, roles=user.roles, session_id=ticket.session_id)
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
        Unauthenticated: the user is gone.
    """
    with desk.database.read() as session:
        user = session.get(User, user_id)
    # Not 404: a token whose subject is gone is no better than a forged one.
    if user is None:
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
