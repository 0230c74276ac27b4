"""Map users, their sessions and devices, guesses and signing keys to tables."""

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from messaging.outbox import OutboxColumns
from storage.database import Timestamp

from .domain import MAX_EMAIL_LENGTH, MAX_USERNAME_LENGTH


class Base(DeclarativeBase):
    """Collect the tables of this service."""


class User(Base):
    """Hold somebody who can sign in.

    The folded columns are what names and addresses are unique by.  A demo user is one whose
    password is the user name.  Whoever is disabled can't sign in.
    """

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    username: Mapped[str] = mapped_column(String(MAX_USERNAME_LENGTH))
    folded_username: Mapped[str] = mapped_column(String(MAX_USERNAME_LENGTH), unique=True)
    email: Mapped[str | None] = mapped_column(String(MAX_EMAIL_LENGTH))
    # Folding can make text up to three times as long.
    folded_email: Mapped[str | None] = mapped_column(String(3 * MAX_EMAIL_LENGTH), unique=True)
    roles: Mapped[list[str]] = mapped_column(JSON)
    password_hash: Mapped[str] = mapped_column(String(255))
    is_demo: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(Timestamp)
    disabled_at: Mapped[datetime | None] = mapped_column(Timestamp)

    @property
    def disabled(self) -> bool:
        """Tell whether they can't sign in."""
        return self.disabled_at is not None


class LoginSession(Base):
    """Hold what began with one log-in: a family of refresh tokens, which ends as a whole.

    It expires when nobody has used its newest token for a refresh token's life.  Its access tokens
    name it by the access id, which changes when they are to lose their worth and the session not.
    """

    __tablename__ = "login_sessions"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    access_id: Mapped[str] = mapped_column(String(32), index=True, unique=True)
    created_at: Mapped[datetime] = mapped_column(Timestamp)
    expires_at: Mapped[datetime] = mapped_column(Timestamp)
    ended_at: Mapped[datetime | None] = mapped_column(Timestamp)


class RefreshToken(Base):
    """Hold the hash of a token, and the salt with which its successor follows from it.

    So the same successor can be given twice, and neither the rows nor an old token alone tell it.
    """

    __tablename__ = "refresh_tokens"
    __table_args__ = (Index("ix_refresh_tokens_session_id_used_at", "session_id", "used_at"),)

    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("login_sessions.id", ondelete="CASCADE"))
    salt: Mapped[bytes] = mapped_column(LargeBinary(32))
    used_at: Mapped[datetime | None] = mapped_column(Timestamp)


class Device(Base):
    """Hold the hash of a token by which a browser is known that has signed in to an account."""

    __tablename__ = "devices"
    __table_args__ = (Index("ix_devices_user_id_created_at", "user_id", "created_at"),)

    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(Timestamp)
    expires_at: Mapped[datetime] = mapped_column(Timestamp, index=True)


class Guess(Base):
    """Hold a place among the attempts that count against one limit, until it expires.

    An attempt has a place under each of its limits.  Keys are hashes, since people type passwords
    into the wrong field; ``account`` is that of the name, which may be nobody's.
    """

    __tablename__ = "guesses"
    __table_args__ = (Index("ix_guesses_key_expires_at", "key", "expires_at"),)

    attempt: Mapped[str] = mapped_column(String(32), primary_key=True)
    key: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    account: Mapped[bytes | None] = mapped_column(LargeBinary(32), index=True)
    expires_at: Mapped[datetime] = mapped_column(Timestamp, index=True)


class Delay(Base):
    """Hold how often in a row somebody was wrong, and until when they have to wait."""

    __tablename__ = "delays"

    key: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    account: Mapped[bytes] = mapped_column(LargeBinary(32), index=True)
    count: Mapped[int]
    until: Mapped[datetime] = mapped_column(Timestamp)
    expires_at: Mapped[datetime] = mapped_column(Timestamp, index=True)


class OutboxEvent(OutboxColumns, Base):
    """Hold an event until it is delivered."""

    __tablename__ = "outbox_events"


class Revocation(Base):
    """Hold an access id whose tokens are refused from a moment on."""

    __tablename__ = "revocations"

    access_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    revoked_at: Mapped[datetime] = mapped_column(Timestamp, index=True)


class StoredKey(Base):
    """Hold a private signing key.

    Generations are counted from 1; that they are unique makes two processes that start at once
    agree on one key.
    """

    __tablename__ = "signing_keys"

    generation: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key_id: Mapped[str] = mapped_column(String(43), unique=True)
    private_key: Mapped[bytes] = mapped_column(LargeBinary(32))
    created_at: Mapped[datetime] = mapped_column(Timestamp)
