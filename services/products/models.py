"""Map the catalogue, the stock and the reservations to tables."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from contracts.money import Money
from storage.database import Timestamp

from .domain import folded

TAG_SEPARATOR: Final = "|"


class Base(DeclarativeBase):
    """Collect the tables of this service."""


class Product(Base):
    """Hold a product.

    ``stock`` is what can be bought now: what reservations hold is already taken off.
    ``source_key`` names the item that it was imported from.
    """

    __tablename__ = "products"
    __table_args__ = (
        CheckConstraint("stock >= 0", name="stock_never_negative"),
        Index("ix_products_title", "title", "id"),
        Index("ix_products_price", "price_minor", "id"),
        Index("ix_products_category", "category", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    # Titles and categories sort by code point in every database, whatever its locale.
    title: Mapped[str] = mapped_column(
        String(200).with_variant(String(200, collation="C"), "postgresql")
    )
    brand: Mapped[str] = mapped_column(String(100))
    category: Mapped[str] = mapped_column(
        String(64).with_variant(String(64, collation="C"), "postgresql")
    )
    description: Mapped[str] = mapped_column(Text)
    price_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    stock: Mapped[int]
    thumbnail: Mapped[str | None] = mapped_column(String(500))
    # One column, since tags are only read with their product and looked for one at a time.
    tag_text: Mapped[str] = mapped_column(String(500))
    # SQLite folds ASCII only, PostgreSQL by its locale; folding in Python makes them agree.
    search_text: Mapped[str] = mapped_column(Text)
    source_key: Mapped[str | None] = mapped_column(String(2000), unique=True)

    @property
    def price(self) -> Money:
        """Return the price of one."""
        return Money(self.price_minor, self.currency)

    @price.setter
    def price(self, price: Money) -> None:
        """Set the price of one."""
        self.price_minor, self.currency = price.amount_minor, price.currency

    @property
    def tags(self) -> list[str]:
        """Return the tags, in the order in which they were given."""
        return [tag for tag in self.tag_text.split(TAG_SEPARATOR) if tag]

    @tags.setter
    def tags(self, tags: list[str]) -> None:
        """Set the tags; a repeated one is kept once."""
        joined = TAG_SEPARATOR.join(dict.fromkeys(tags))
        self.tag_text = f"{TAG_SEPARATOR}{joined}{TAG_SEPARATOR}" if tags else ""

    def assign(self, values: Mapping[str, Any]) -> None:
        """Take over values by their names in the API, and keep the search text in step."""
        for name, value in values.items():
            setattr(self, name, value)
        self.search_text = folded(self.title, self.brand, self.description)


class ReservationRow(Base):
    """Hold a reservation: who holds goods back, and until when."""

    __tablename__ = "reservations"
    __table_args__ = (Index("ix_reservations_due", "status", "expires_at"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    status: Mapped[str] = mapped_column(String(20))
    expires_at: Mapped[datetime] = mapped_column(Timestamp)


class ReservationLineRow(Base):
    """Hold a line of a reservation, with title and price as they were at that moment."""

    __tablename__ = "reservation_lines"
    __table_args__ = (CheckConstraint("quantity > 0", name="quantity_positive"),)

    reservation_id: Mapped[str] = mapped_column(ForeignKey("reservations.id"), primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"), primary_key=True)
    quantity: Mapped[int]
    title: Mapped[str] = mapped_column(String(200))
    price_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
