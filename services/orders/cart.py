"""Fill, show and empty carts.

A cart holds the price that was last shown for each line, so that an order can refuse to charge
another one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from chassis.errors import Invalid, ServiceError
from contracts.money import CURRENCIES, Money, MoneyError
from storage.database import Database

from . import repository
from .clients import Offer, Products
from .domain import MAX_LINES, UNFINISHED, Line
from .errors import CartBeingOrdered, CartFull, UnknownProduct
from .models import CartItem, Order


def lines_to_order(session: Session, user_id: str) -> list[Line]:
    """Return the lines of a cart with the prices that were shown, for one order at a time.

    Raises:
        CartBeingOrdered: an order of it has not ended yet.
    """
    # Two orders at the same moment come here one after the other.
    repository.lock_cart(session, user_id)
    items = _items(session, user_id)
    under_way = session.scalar(
        select(Order.id).where(
            Order.user_id == user_id, Order.from_cart, Order.status.in_(UNFINISHED)
        )
    )
    if under_way:
        raise CartBeingOrdered("Wait until that order has ended.", order_id=under_way)
    return [
        Line(item.product_id, item.quantity, Money(item.price_minor, item.currency))
        for item in items
    ]


def show(database: Database, products: Products, user_id: str) -> dict[str, Any]:
    """Return a cart at today's prices, or at the last known ones while the catalogue is away."""
    with database.read() as session:
        items = _items(session, user_id)
    try:
        offers = products.offers([item.product_id for item in items])
    except ServiceError:
        return _document(items, None)
    if any(_differs(item, offers.get(item.product_id)) for item in items):
        with database.write() as session:
            repository.lock_cart(session, user_id)
            items = _items(session, user_id)
            _take_prices(items, offers)
    return _document(items, offers)


def put(
    database: Database, products: Products, user_id: str, product_id: int, quantity: int
) -> dict[str, Any]:
    """Set how many of a product a cart holds, and return the cart.

    Raises:
        UnknownProduct: the catalogue does not have it.
        CartFull: there is no room for another line.
        Invalid: the total would be beyond what can be charged.
    """
    offer = products.offers([product_id]).get(product_id)
    if offer is None:
        raise UnknownProduct(f"There is no product {product_id}.")
    with database.write() as session:
        _put(session, user_id, offer, quantity)
    return show(database, products, user_id)


def remove(database: Database, user_id: str, product_id: int) -> None:
    """Take a product out of a cart, whether or not it is there."""
    mine = (CartItem.user_id == user_id) & (CartItem.product_id == product_id)
    with database.write() as session:
        repository.lock_cart(session, user_id)
        session.execute(delete(CartItem).where(mine))


def _put(session: Session, user_id: str, offer: Offer, quantity: int) -> None:
    repository.lock_cart(session, user_id)
    item = session.get(CartItem, (user_id, offer.product_id))
    if item is None:
        count = session.scalar(select(func.count()).where(CartItem.user_id == user_id)) or 0
        if count >= MAX_LINES:
            raise CartFull(f"A cart has at most {MAX_LINES} lines.")
        item = CartItem(user_id=user_id, product_id=offer.product_id)
        session.add(item)
    item.quantity = quantity
    _take_prices([item], {offer.product_id: offer})
    try:
        _total(_items(session, user_id))
    except MoneyError as error:
        raise Invalid(f"The cart can't be added up any more: {error}") from error


def _items(session: Session, user_id: str) -> Sequence[CartItem]:
    query = select(CartItem).where(CartItem.user_id == user_id)
    return session.scalars(query.order_by(CartItem.product_id)).all()


def _differs(item: CartItem, offer: Offer | None) -> bool:
    return offer is not None and (item.price_minor, item.currency, item.title) != (
        offer.price.amount_minor,
        offer.price.currency,
        offer.title,
    )


def _take_prices(items: Sequence[CartItem], offers: Mapping[int, Offer]) -> None:
    for item in items:
        offer = offers.get(item.product_id)
        if offer:
            item.title = offer.title
            item.price_minor, item.currency = offer.price.amount_minor, offer.price.currency


def _document(items: Sequence[CartItem], offers: Mapping[int, Offer] | None) -> dict[str, Any]:
    lines = [
        {
            "product_id": item.product_id,
            "quantity": item.quantity,
            "title": item.title,
            "price": Money(item.price_minor, item.currency),
            "available": _available(item, offers),
        }
        for item in items
    ]
    try:
        total = _total(items)
    except MoneyError:
        # Prices rose after it was filled.  It has to be shown, so that something can be taken out.
        total = None
    return {"items": lines, "total": total}


def _total(items: Sequence[CartItem]) -> Money:
    total = Money(0, items[0].currency if items else CURRENCIES[0])
    for item in items:
        total = total.plus(Money(item.price_minor, item.currency).times(item.quantity))
    return total


def _available(item: CartItem, offers: Mapping[int, Offer] | None) -> bool | None:
    if offers is None:
        return None
    offer = offers.get(item.product_id)
    return offer is not None and offer.stock >= item.quantity
