"""Bring in the users of the first start, and keep demo users out of production."""

import logging
import uuid
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from chassis.config import ConfigError
from storage.database import Database

from . import events
from .config import Config
from .domain import folded
from .errors import UnusableHash
from .models import User
from .passwords import PasswordHasher
from .users_file import Entry, label, read_users_file, unusable

logger = logging.getLogger(__name__)


def seed_users(database: Database, config: Config, hasher: PasswordHasher, now: datetime) -> None:
    """Store the users of the file when there are none yet; safe to call at every start.

    Raises:
        ConfigError: the file can't be used, or there are demo users in production.
    """
    if config.production:
        _refuse_demo_users_in(database)
    if _has_users(database):
        return
    if config.users_file is None:
        logger.warning("there are no users, and AUTH_USERS_FILE names none")
        return
    # Hashing takes long, so it happens before the database is locked.
    users = _users_of(config.users_file, hasher, now)
    if config.production and (names := [user.username for user in users if user.is_demo]):
        reason = (
            f"the password of {', '.join(names)} is the user name, which production refuses: "
            "set AUTH_USERS_FILE to a file with your own users, or to `none` to start without any"
        )
        raise unusable(config.users_file, reason)
    _store(database, users, now)


def _refuse_demo_users_in(database: Database) -> None:
    with database.read() as session:
        names = session.scalars(select(User.username).where(User.is_demo)).all()
    if names:
        raise ConfigError(
            f"AUTH_DATABASE_URL: the database holds demo users ({', '.join(names)}), which "
            "production refuses: set AUTH_DATABASE_URL or SHOP_DATA_DIR to a fresh one"
        )


def _has_users(database: Database) -> bool:
    with database.read() as session:
        return session.scalar(select(User.id).limit(1)) is not None


def _users_of(path: Path, hasher: PasswordHasher, now: datetime) -> list[User]:
    users = []
    for index, entry in enumerate(read_users_file(path)):
        if entry.password:
            logger.warning(
                "%s: the password of %s stands there in plain text: put in its place the hash "
                "that `flask --app services.auth hash-password` prints",
                path,
                entry.username,
            )
        try:
            users.append(_user_of(entry, hasher, now))
        except UnusableHash as error:
            reason = f"{label(index, entry)}: password_hash is damaged ({error})"
            raise unusable(path, reason) from error
    return users


def _user_of(entry: Entry, hasher: PasswordHasher, now: datetime) -> User:
    password_hash = entry.password_hash or hasher.hash(entry.password or "")
    return User(
        id=uuid.uuid4().hex,
        username=entry.username,
        folded_username=folded(entry.username),
        email=entry.email,
        folded_email=folded(entry.email) if entry.email else None,
        roles=entry.roles,
        password_hash=password_hash,
        # Tried and not compared, because most entries have just the hash.
        is_demo=hasher.matches(password_hash, entry.username),
        created_at=now,
    )


def _store(database: Database, users: list[User], now: datetime) -> None:
    try:
        with database.write() as session:
            session.add_all(users)
            for user in users:
                events.tell_imported(session, user, now)
    except IntegrityError:
        # Another process started at the same moment and brought in the same file.
        logger.info("the users were brought in by another process")
    else:
        logger.info("brought in %d users", len(users))
