"""Serve carts and orders."""

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Response, current_app, request

from chassis.inbound import audit
from chassis.inbound.api import Blueprint
from chassis.inbound.identity import (
    current_principal,
    requires_role,
    requires_scope,
    requires_user,
)
from chassis.inbound.pagination import PageArguments, decode_cursor, encode_cursor, page_schema
from contracts.money import Money
from storage.idempotency import HEADER, StoredAnswer, read_key

from . import cart, fulfilment, operations, service
from .answers import order_document
from .domain import Line
from .models import Order
from .schemas import (
    CartSchema,
    NewOrderSchema,
    OperationsSchema,
    OrderSchema,
    QuantitySchema,
    RefundedOrderSchema,
    RefundSchema,
)

OPERATOR = "operator"
LOOK, ACT = "operations:read", "operations:write"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
KEY_PARAMETER = {
    "name": HEADER,
    "in": "header",
    "required": True,
    "description": "Makes the request safe to repeat: 1 to 255 visible ASCII, no comma",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}

bp = Blueprint("orders", __name__, description="Carts and orders")
operations_bp = Blueprint("operations", __name__, description="How the service is doing")


def _shop() -> service.Shop:
    shop: service.Shop = current_app.extensions["shop"]
    return shop


def _buyer() -> str:
    return current_principal().subject


def _visible_to() -> str | None:
    """Return whose orders the caller may see; None for everybody's."""
    principal = current_principal()
    return None if OPERATOR in principal.roles else principal.subject


def _respond(answer: StoredAnswer, *, replayed: bool) -> Response:
    response = Response(answer.body, answer.status, dict(answer.headers))
    if replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return response


@bp.get("/api/v1/cart")
@requires_user
@bp.response(200, CartSchema)
def show_cart() -> dict[str, Any]:
    """Show the cart.

    Prices are today's; while the catalogue is away they are the last known ones.
    """
    return cart.show(_shop().database, _shop().clients.products, _buyer())


@bp.put("/api/v1/cart/items/<id:product_id>")
@requires_user
@bp.arguments(QuantitySchema)
@bp.response(200, CartSchema)
@bp.alt_response(409, "CONFLICT")
def put_into_cart(wanted: dict[str, Any], product_id: int) -> dict[str, Any]:
    """Set how many of a product the cart holds."""
    shop = _shop()
    return cart.put(shop.database, shop.clients.products, _buyer(), product_id, wanted["quantity"])


@bp.delete("/api/v1/cart/items/<id:product_id>")
@requires_user
@bp.response(204)
def remove_from_cart(product_id: int) -> None:
    """Take a product out of the cart."""
    cart.remove(_shop().database, _buyer(), product_id)


@bp.post("/api/v1/orders")
@requires_user
@bp.arguments(NewOrderSchema)
@bp.response(201, OrderSchema)
@bp.alt_response(202, schema=OrderSchema, description="The payment is not decided yet")
@bp.alt_response(402, "PAYMENT_REQUIRED")
@bp.alt_response(409, "CONFLICT")
@bp.doc(parameters=[KEY_PARAMETER])
def place_order(wanted: dict[str, Any]) -> Response:
    """Place an order.

    Without `items` it takes those of the cart, at the prices that the cart showed.  The same key
    with the same body gives the same answer and no second order.
    """
    key = read_key(request.headers.getlist(HEADER))
    lines: list[Line] | None = wanted.get("items")
    placement = service.Placement(
        _buyer(), key, lines, wanted["payment"]["token"], wanted["shipping_address"]
    )
    answer, replayed = service.place_order(_shop(), placement)
    return _respond(answer, replayed=replayed)


@bp.get("/api/v1/orders")
@requires_user
@bp.arguments(PageArguments, location="query")
@bp.response(200, page_schema(OrderSchema))
def list_orders(page: dict[str, Any]) -> dict[str, Any]:
    """List one's own orders, newest first."""
    limit = page["limit"]
    orders = service.list_orders(_shop(), _buyer(), limit + 1, _before(page["cursor"]))
    shown = orders[:limit]
    following = _cursor(shown[-1]) if len(orders) > limit else None
    return {"data": [order_document(order) for order in shown], "next": following}


@bp.get("/api/v1/orders/<order_id>")
@requires_user
@bp.response(200, OrderSchema)
@bp.alt_response(404, "NOT_FOUND")
def show_order(order_id: str) -> dict[str, Any]:
    """Show an order."""
    return order_document(service.show_order(_shop(), order_id, _visible_to()))


@bp.post("/api/v1/orders/<order_id>/cancel")
@requires_user
@bp.response(200, OrderSchema)
@bp.alt_response(404, "NOT_FOUND")
@bp.alt_response(409, "CONFLICT")
def cancel_order(order_id: str) -> dict[str, Any]:
    """Cancel an order that was not sent yet.

    The money goes back in full and the goods go back on sale.
    """
    return order_document(fulfilment.cancel_order(_shop(), order_id, _visible_to()))


@bp.post("/api/v1/orders/<order_id>/ship")
@requires_role(OPERATOR)
@bp.response(200, OrderSchema)
@bp.alt_response(404, "NOT_FOUND")
@bp.alt_response(409, "CONFLICT")
def ship_order(order_id: str) -> dict[str, Any]:
    """Note that an order left the house."""
    return order_document(fulfilment.ship_order(_shop(), order_id))


@bp.post("/api/v1/orders/<order_id>/deliver")
@requires_role(OPERATOR)
@bp.response(200, OrderSchema)
@bp.alt_response(404, "NOT_FOUND")
@bp.alt_response(409, "CONFLICT")
def deliver_order(order_id: str) -> dict[str, Any]:
    """Note that an order arrived."""
    return order_document(fulfilment.deliver_order(_shop(), order_id))


@bp.post("/api/v1/orders/<order_id>/refund")
@requires_role(OPERATOR)
@bp.arguments(RefundSchema)
@bp.response(200, RefundedOrderSchema)
@bp.alt_response(404, "NOT_FOUND")
@bp.alt_response(409, "CONFLICT")
@bp.doc(parameters=[KEY_PARAMETER])
def refund_order(wanted: dict[str, Any], order_id: str) -> Response:
    """Give money of an order back, without restocking.

    Without an amount all that is left goes back, and the order is refunded.
    """
    amount: Money | None = wanted.get("amount")
    key = read_key(request.headers.getlist(HEADER))
    refund = fulfilment.Refund(_buyer(), order_id, amount, key)
    answer, replayed = fulfilment.refund_order(_shop(), refund)
    outcome = "refused" if answer.status >= 400 else "allowed"
    audit.record("order.refund", outcome, user=_buyer(), order_id=order_id, replayed=replayed)
    return _respond(answer, replayed=replayed)


@operations_bp.get("/internal/operations")
@requires_scope(LOOK)
@operations_bp.response(200, OperationsSchema)
def show_operations() -> dict[str, Any]:
    """Show how the service is doing.

    That is its unfinished orders, the events that wait for delivery, and its breakers.
    """
    return operations.overview(_shop())


@operations_bp.post("/internal/dead-letters/<event_id>/retry")
@requires_scope(ACT)
@operations_bp.response(204)
@operations_bp.alt_response(404, "NOT_FOUND")
def retry_dead_letter(event_id: str) -> None:
    """Have a dead letter delivered after all, as if it were new."""
    operations.retry_dead_letter(_shop(), event_id)


def _cursor(order: Order) -> str:
    microseconds = (order.created_at - EPOCH) // timedelta(microseconds=1)
    return encode_cursor([microseconds, order.id])


def _before(cursor: str | None) -> tuple[datetime, str] | None:
    if cursor is None:
        return None
    microseconds, order_id = decode_cursor(cursor, (int, str))
    try:
        return EPOCH + timedelta(microseconds=microseconds), order_id
    except OverflowError:
        return EPOCH, order_id
