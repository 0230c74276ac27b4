"""Render orders, and the answer that each outcome of placing one gets."""

import json
from typing import Any

from chassis import tracing
from chassis.errors import ServiceError
from chassis.inbound.problems import MEDIA_TYPE, problem_document
from contracts.money import Money
from storage.idempotency import StoredAnswer

from .domain import Status
from .errors import reason_of
from .models import Order

JSON_TYPE = "application/json"


def money(amount_minor: int | None, currency: str | None) -> dict[str, Any] | None:
    """Return a money object, or None while the amount is unknown."""
    if amount_minor is None:
        return None
    return {"amount_minor": amount_minor, "currency": currency}


def money_of(amount: Money) -> dict[str, Any]:
    """Return a money object."""
    return {"amount_minor": amount.amount_minor, "currency": amount.currency}


def order_document(order: Order) -> dict[str, Any]:
    """Return the order as its buyer sees it."""
    return {
        "id": order.id,
        "status": order.status,
        "items": [
            {
                "product_id": item.product_id,
                "quantity": item.quantity,
                "title": item.title,
                "price": money(item.price_minor, order.currency),
            }
            for item in order.items
        ],
        "total": money(order.total_minor, order.currency),
        "payment_id": order.payment_id,
        "shipping_address": order.shipping_address,
        "created_at": order.created_at.isoformat(),
        "updated_at": order.updated_at.isoformat(),
    }


def location_of(order: Order) -> str:
    """Return the path of an order."""
    return f"/api/v1/orders/{order.id}"


def answer_for(order: Order) -> StoredAnswer:
    """Return the answer to the request that placed the order, as its state has it.

    201 once it is confirmed, 202 while the payment's outcome is unknown, else the refusal.
    """
    if order.status == Status.REJECTED:
        return refusal_answer(reason_of(order.reason or {}), order_id=order.id)
    status = 202 if order.status == Status.PAYMENT_PENDING else 201
    headers = {"Content-Type": JSON_TYPE, "Location": location_of(order)}
    return StoredAnswer(status, headers, json.dumps(order_document(order)).encode())


def refusal_answer(error: ServiceError, **members: Any) -> StoredAnswer:
    """Return the answer for an error that is to be remembered."""
    trace = tracing.current()
    document = problem_document(error, trace.request_id if trace else None)
    headers = {"Content-Type": MEDIA_TYPE, **error.headers}
    return StoredAnswer(error.status, headers, json.dumps({**document, **members}).encode())
