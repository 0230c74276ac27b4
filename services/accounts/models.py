"""Map accounts and their addresses to tables."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from messaging.inbox import InboxColumns
from messaging.outbox import OutboxColumns
from storage.database import Timestamp

from .domain import (
    MAX_EMAIL_LENGTH,
    MAX_ID_LENGTH,
    MAX_LANGUAGE_LENGTH,
    MAX_NAME_LENGTH,
    MAX_USERNAME_LENGTH,
)


class Base(DeclarativeBase):
    """Collect the tables of this service."""


class Account(Base):
    """Hold what is known of somebody, under the id that auth gave them.

    The folded columns are what operators look for; each index goes on with the id, in whose order
    the answers come.  Names are not unique here: auth sees to that, and when somebody takes the
    name of a person who is being erased, the two pieces of news may come in any order.
    """

    __tablename__ = "accounts"
    __table_args__ = (
        Index("ix_accounts_username", "folded_username", "id"),
        Index("ix_accounts_email", "folded_email", "id"),
        Index("ix_accounts_family_name", "folded_family_name", "id"),
    )

    id: Mapped[str] = mapped_column(String(MAX_ID_LENGTH), primary_key=True)
    username: Mapped[str] = mapped_column(String(MAX_USERNAME_LENGTH))
    folded_username: Mapped[str] = mapped_column(String(3 * MAX_USERNAME_LENGTH))
    email: Mapped[str | None] = mapped_column(String(MAX_EMAIL_LENGTH))
    folded_email: Mapped[str | None] = mapped_column(String(3 * MAX_EMAIL_LENGTH))
    given_name: Mapped[str | None] = mapped_column(String(MAX_NAME_LENGTH))
    family_name: Mapped[str | None] = mapped_column(String(MAX_NAME_LENGTH))
    folded_family_name: Mapped[str | None] = mapped_column(String(3 * MAX_NAME_LENGTH))
    language: Mapped[str | None] = mapped_column(String(MAX_LANGUAGE_LENGTH))
    created_at: Mapped[datetime] = mapped_column(Timestamp)
    addresses: Mapped[list["Address"]] = relationship(
        order_by="Address.position", lazy="selectin", cascade="all, delete-orphan"
    )


class Address(Base):
    """Hold one of the addresses of an account, in the order of their owner."""

    __tablename__ = "addresses"
    __table_args__ = (Index("ix_addresses_city", "folded_city", "account_id"),)

    account_id: Mapped[str] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(MAX_NAME_LENGTH))
    line1: Mapped[str] = mapped_column(String(200))
    line2: Mapped[str | None] = mapped_column(String(200))
    city: Mapped[str] = mapped_column(String(120))
    folded_city: Mapped[str] = mapped_column(String(3 * 120))
    postal_code: Mapped[str] = mapped_column(String(20))
    country: Mapped[str] = mapped_column(String(2))


class ErasedUser(Base):
    """Remember that somebody was erased, by the bare id, so that late news makes no new account."""

    __tablename__ = "erased_users"

    id: Mapped[str] = mapped_column(String(MAX_ID_LENGTH), primary_key=True)
    erased_at: Mapped[datetime] = mapped_column(Timestamp)


class SeenEvent(InboxColumns, Base):
    """Note an event that was taken."""

    __tablename__ = "seen_events"


class OutboxEvent(OutboxColumns, Base):
    """Hold an event until it is delivered."""

    __tablename__ = "outbox_events"
