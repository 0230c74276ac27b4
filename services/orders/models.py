"""Map carts, orders and remembered answers to tables."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from messaging.outbox import OutboxColumns
from storage.database import Timestamp
from storage.idempotency import IdempotencyColumns


class Base(DeclarativeBase):
    """Collect the tables of this service."""


class CartItem(Base):
    """Hold a line of somebody's cart, with the unit price that was last shown."""

    __tablename__ = "cart_items"
    __table_args__ = (CheckConstraint("quantity > 0"),)

    user_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    product_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    quantity: Mapped[int]
    title: Mapped[str] = mapped_column(String(200))
    price_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))


class Order(Base):
    """Hold an order and how far its saga has come.

    ``claimed_until`` is the lease of whoever works on it; ``owed`` lists the compensations that
    still have to be carried out; ``unsettled`` says that work is left; ``reason`` is why it was
    rejected; ``idempotency_key`` is empty once the key was given back.
    """

    __tablename__ = "orders"
    __table_args__ = (
        Index("ix_orders_user_created", "user_id", "created_at", "id"),
        Index("ix_orders_unsettled", "unsettled", "claimed_until"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(128))
    idempotency_key: Mapped[str | None] = mapped_column(String(255))
    status: Mapped[str] = mapped_column(String(20))
    unsettled: Mapped[bool]
    claimed_until: Mapped[datetime] = mapped_column(Timestamp)
    owed: Mapped[list[str]] = mapped_column(JSON)
    reason: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    from_cart: Mapped[bool]
    total_minor: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str | None] = mapped_column(String(3))
    card_token: Mapped[str | None] = mapped_column(String(64))
    payment_id: Mapped[str | None] = mapped_column(String(64))
    shipping_address: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(Timestamp)
    updated_at: Mapped[datetime] = mapped_column(Timestamp)
    items: Mapped[list["OrderItem"]] = relationship(
        order_by="OrderItem.product_id", lazy="selectin", cascade="all, delete-orphan"
    )


class OrderItem(Base):
    """Hold a line of an order; title and price are known once the stock is reserved."""

    __tablename__ = "order_items"

    order_id: Mapped[str] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    product_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    quantity: Mapped[int]
    title: Mapped[str | None] = mapped_column(String(200))
    price_minor: Mapped[int | None] = mapped_column(BigInteger)
    expected_minor: Mapped[int | None] = mapped_column(BigInteger)


class OrderTransition(Base):
    """Record one change of an order's status, for whoever asks later how it came about."""

    __tablename__ = "order_transitions"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[str] = mapped_column(String(64), index=True)
    source: Mapped[str | None] = mapped_column(String(20))
    target: Mapped[str] = mapped_column(String(20))
    at: Mapped[datetime] = mapped_column(Timestamp)


class IdempotencyRecord(IdempotencyColumns, Base):
    """Remember the answer to a request that must have one effect."""

    __tablename__ = "idempotency_records"


class OutboxEvent(OutboxColumns, Base):
    """Hold an event until it is delivered."""

    __tablename__ = "outbox_events"
