"""Map payments, refunds, the ledger and what was received to tables."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from contracts.money import Money
from storage.database import Timestamp
from storage.idempotency import IdempotencyColumns


class Base(DeclarativeBase):
    """Collect the tables of this service."""


class Payment(Base):
    """Hold the one payment of an order.

    ``claimed_minor`` counts refunds from the moment they are asked for, ``refunded_minor`` from
    the moment the provider has made them.  ``card_token`` is empty once the card has answered;
    ``refusal`` is the code of the error that it answered with.  ``settle_at`` is when to hold it
    against the provider's record, and empty once nothing can be missing.
    """

    __tablename__ = "payments"
    # The code keeps to this as well; a defect there must not be able to give money away.
    __table_args__ = (
        CheckConstraint(
            "0 <= refunded_minor AND refunded_minor <= claimed_minor"
            " AND claimed_minor <= captured_minor AND captured_minor IN (0, amount_minor)",
            name="ck_payments_amounts",
        ),
        # Few payments are unsettled, however many there are.
        Index(
            "ix_payments_unsettled",
            "settle_at",
            sqlite_where=text("settle_at IS NOT NULL"),
            postgresql_where=text("settle_at IS NOT NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    # Of two charges for an order at once, the database lets one in.
    order_id: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[str] = mapped_column(String(128))
    status: Mapped[str] = mapped_column(String(20))
    currency: Mapped[str] = mapped_column(String(3))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    captured_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    claimed_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    refunded_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    card_token: Mapped[str] = mapped_column(String(64))
    refusal: Mapped[str | None] = mapped_column(String(32))
    created_at: Mapped[datetime] = mapped_column(Timestamp)
    updated_at: Mapped[datetime] = mapped_column(Timestamp)
    settle_at: Mapped[datetime | None] = mapped_column(Timestamp)

    @property
    def amount(self) -> Money:
        """Return what the order costs."""
        return Money(self.amount_minor, self.currency)

    @property
    def captured(self) -> Money:
        """Return what was taken: nothing or all."""
        return Money(self.captured_minor, self.currency)

    @property
    def refunded(self) -> Money:
        """Return what was given back."""
        return Money(self.refunded_minor, self.currency)

    @property
    def refundable(self) -> Money:
        """Return what was taken and neither given back nor about to be."""
        return Money(self.captured_minor - self.claimed_minor, self.currency)


class Refund(Base):
    """Hold money on its way back; ``completed_at`` is empty until the provider has sent it.

    ``settle_at`` is when to ask the provider again, and empty once it has sent or refused it.
    """

    __tablename__ = "refunds"
    __table_args__ = (
        Index(
            "ix_refunds_unfinished",
            "settle_at",
            sqlite_where=text("completed_at IS NULL"),
            postgresql_where=text("completed_at IS NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    payment_id: Mapped[str] = mapped_column(ForeignKey("payments.id"), index=True)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(Timestamp)
    completed_at: Mapped[datetime | None] = mapped_column(Timestamp)
    settle_at: Mapped[datetime | None] = mapped_column(Timestamp)


class LedgerEntry(Base):
    """Hold one side of a posting, in minor units: debits above zero, credits below.

    A posting touches an account once, so that none can be written twice.
    """

    __tablename__ = "ledger_entries"
    __table_args__ = (CheckConstraint("amount_minor <> 0", name="ck_ledger_entries_amount"),)

    posting: Mapped[str] = mapped_column(String(160), primary_key=True)
    account: Mapped[str] = mapped_column(String(64), primary_key=True)
    currency: Mapped[str] = mapped_column(String(3))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(Timestamp)


class WebhookEvent(Base):
    """Remember an event of the provider, so that its repetition changes nothing."""

    __tablename__ = "webhook_events"

    id: Mapped[str] = mapped_column(String(128), primary_key=True)
    type: Mapped[str] = mapped_column(String(64))
    payment_id: Mapped[str] = mapped_column(String(64))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    received_at: Mapped[datetime] = mapped_column(Timestamp)


class IdempotencyRecord(IdempotencyColumns, Base):
    """Remember the answer to a refund that must have one effect."""

    __tablename__ = "idempotency_records"
