"""Map users and signing keys to tables."""

from datetime import datetime

from sqlalchemy import JSON, LargeBinary, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from storage.database import Timestamp

from .domain import MAX_EMAIL_LENGTH, MAX_USERNAME_LENGTH


class Base(DeclarativeBase):
    """Collect the tables of this service."""


class User(Base):
    """Hold somebody who can sign in.

    The folded columns are what names and addresses are unique by.  A demo user is one whose
    password is the user name.
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
