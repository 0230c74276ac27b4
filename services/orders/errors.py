"""Name what can go wrong with carts and orders.

Those in ``REASONS`` can end an order; their code is stored with it.
"""

from typing import Any

from chassis.errors import Conflict, Declined, Invalid, NotFound, ServiceError, Unavailable


class OutOfStock(Conflict):
    """Refuse what is not there; ``items`` tells how much is."""

    code = "out_of_stock"
    title = "Out of stock"


class PriceChanged(Conflict):
    """Ask again before charging another price than the cart showed; ``total`` is the new one."""

    code = "price_changed"
    title = "The price changed"


class PaymentDeclined(Declined):
    """Report that the card was refused."""

    code = "payment_declined"
    title = "Payment declined"


class InsufficientFunds(Declined):
    """Report that the card lacks the money."""

    code = "insufficient_funds"
    title = "Insufficient funds"


class ReservationLost(Conflict):
    """Report that the goods went back on sale before the payment came through."""

    code = "reservation_expired"
    title = "The reservation expired"


class UnknownProduct(Invalid):
    """Refuse a product that the catalogue does not have."""

    code = "unknown_product"
    title = "Unknown product"


class UnknownCardToken(Invalid):
    """Refuse a card token that the payment provider does not know."""

    code = "unknown_card_token"
    title = "Unknown card token"


class EmptyCart(Invalid):
    """Refuse an order for nothing."""

    code = "empty_cart"
    title = "The cart is empty"


class CartBeingOrdered(Conflict):
    """Refuse to order the same cart twice; ``order_id`` names the order that is under way."""

    code = "cart_being_ordered"
    title = "The cart is being ordered"


class CartFull(Conflict):
    """Refuse another line in a cart that has as many as an order may have."""

    code = "cart_full"
    title = "The cart is full"


class OrderNotFound(NotFound):
    """Report an order that is not there, or somebody else's."""

    code = "order_not_found"
    title = "Order not found"


class IllegalTransition(Conflict):
    """Refuse what the state of the order does not allow."""

    code = "illegal_state"
    title = "The order's state does not allow this"


class RefundExceedsCaptured(Conflict):
    """Refuse to give back more than was taken."""

    code = "refund_exceeds_captured"
    title = "Refund exceeds what was captured"


class OrderUnfinished(Unavailable):
    """Report that the order waits for a service that is away; the same request resumes it."""

    code = "order_unfinished"
    title = "The order could not be finished yet"


REASONS: dict[str, type[ServiceError]] = {
    reason.code: reason
    for reason in (
        IllegalTransition,
        InsufficientFunds,
        OutOfStock,
        PaymentDeclined,
        PriceChanged,
        ReservationLost,
        UnknownCardToken,
        UnknownProduct,
    )
}


def stored_reason(error: ServiceError) -> dict[str, Any]:
    """Return what to store of the error that ends an order."""
    code = error.code if error.code in REASONS else IllegalTransition.code
    return {"code": code, "detail": error.detail, **error.members}


def reason_of(stored: dict[str, Any]) -> ServiceError:
    """Return the error that ended an order, from what was stored of it."""
    members = dict(stored)
    return REASONS[members.pop("code")](members.pop("detail"), **members)
