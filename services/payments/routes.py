"""Serve payments: to orders, to people, and to the provider."""

import json
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from flask import Response, current_app, request

from chassis.inbound.api import Blueprint
from chassis.inbound.app import settings_of
from chassis.inbound.bodies import read_body
from chassis.inbound.identity import (
    current_principal,
    requires_role,
    requires_scope,
    requires_user,
)
from storage.idempotency import HEADER, StoredAnswer, read_key

from . import operations, refunds, service, signatures, webhooks
from .domain import Status
from .models import Payment
from .provider import Operation
from .schemas import (
    ChargeSchema,
    EventSchema,
    OperationListSchema,
    OperationsSchema,
    OrderArguments,
    PaymentListSchema,
    PaymentSchema,
    ReceiptSchema,
    RefundSchema,
)

SCOPE = "payments:write"
OPERATIONS_SCOPE = "operations:read"
KEY_PARAMETER = {
    "name": HEADER,
    "in": "header",
    "required": True,
    "description": "Makes the request safe to repeat: 1 to 255 visible ASCII, no comma",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}
SIGNATURE_PARAMETER = {
    "name": signatures.SIGNATURE_HEADER,
    "in": "header",
    "required": True,
    "description": 't=<unix seconds>,v1=<hex HMAC-SHA256 of "<t>.<body>">',
    "schema": {"type": "string"},
}

bp = Blueprint("payments", __name__, description="Payments and the provider's record of them")


def _till() -> service.Till:
    till: service.Till = current_app.extensions["till"]
    return till


def _signed(view: Callable[..., Any]) -> Callable[..., Any]:
    """Let only the provider call a route, before anything reads the body."""

    @wraps(view)
    def verified(*args: Any, **kwargs: Any) -> Any:
        signatures.verify(
            request.headers.get(signatures.SIGNATURE_HEADER, ""),
            read_body(request),
            settings_of(current_app).webhook_secret,
            _till().clock.now().timestamp(),
        )
        return view(*args, **kwargs)

    return verified


@bp.post("/internal/payments")
@requires_scope(SCOPE)
@bp.arguments(ChargeSchema)
@bp.response(201, PaymentSchema)
@bp.alt_response(202, schema=PaymentSchema, description="The provider's answer is not known yet")
@bp.alt_response(402, "PAYMENT_REQUIRED")
@bp.alt_response(409, "CONFLICT")
def authorise(charge: service.Charge) -> tuple[Payment, int]:
    """Place the amount of an order on hold.

    The order names the payment: asking again gives the same payment, or the same refusal.
    """
    payment = service.authorise(_till(), charge)
    return payment, 202 if payment.status == Status.PENDING else 201


@bp.post("/internal/payments/<payment_id>/capture")
@requires_scope(SCOPE)
@bp.response(200, PaymentSchema)
@bp.alt_response(404, "NOT_FOUND")
@bp.alt_response(409, "CONFLICT")
@bp.alt_response(503, "SERVICE_UNAVAILABLE")
def capture(payment_id: str) -> Payment:
    """Take what is on hold; safe to repeat."""
    return service.capture(_till(), payment_id)


@bp.post("/internal/payments/<payment_id>/void")
@requires_scope(SCOPE)
@bp.response(200, PaymentSchema)
@bp.alt_response(404, "NOT_FOUND")
@bp.alt_response(409, "CONFLICT")
@bp.alt_response(503, "SERVICE_UNAVAILABLE")
def void(payment_id: str) -> Payment:
    """Let go of what is on hold; safe to repeat.

    A pending payment can be voided too: an authorisation that comes late is then refused.
    """
    return service.void(_till(), payment_id)


@bp.post("/internal/payments/void")
@requires_scope(SCOPE)
@bp.arguments(OrderArguments)
@bp.response(200, PaymentSchema)
@bp.alt_response(409, "CONFLICT")
@bp.alt_response(503, "SERVICE_UNAVAILABLE")
def void_order(wanted: dict[str, str]) -> Payment:
    """Let go of what is on hold for an order; safe to repeat.

    For an order without a payment it leaves a voided one of nothing, so that a charge that
    comes late is refused.
    """
    return service.void_order(_till(), wanted["order_id"])


@bp.post("/internal/payments/<payment_id>/refund")
@requires_scope(SCOPE)
@bp.arguments(RefundSchema)
@bp.response(200, PaymentSchema)
@bp.alt_response(400, "BAD_REQUEST")
@bp.alt_response(404, "NOT_FOUND")
@bp.alt_response(409, "CONFLICT")
@bp.alt_response(503, "SERVICE_UNAVAILABLE")
@bp.doc(parameters=[KEY_PARAMETER])
def refund(wanted: dict[str, Any], payment_id: str) -> Response:
    """Give money back, an amount or all that is left.

    The same key with the same body gives the same answer and no second refund.
    """
    key = read_key(request.headers.getlist(HEADER))
    wish = refunds.RefundWish(payment_id, wanted["amount"], key)
    reply = refunds.refund(_till(), wish, _render)
    response = Response(reply.answer.body, reply.answer.status, dict(reply.answer.headers))
    if reply.replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return response


@bp.get("/api/v1/payments")
@requires_user
@bp.arguments(OrderArguments, location="query")
@bp.response(200, PaymentListSchema)
def list_payments(wanted: dict[str, str]) -> dict[str, Sequence[Payment]]:
    """List the payments of an order.

    The list is empty for an order that has none and for somebody else's.
    """
    return {"data": service.list_payments(_till(), wanted["order_id"], current_principal())}


@bp.get("/api/v1/payments/<payment_id>")
@requires_user
@bp.response(200, PaymentSchema)
@bp.alt_response(404, "NOT_FOUND")
def show_payment(payment_id: str) -> Payment:
    """Show a payment."""
    return service.show_payment(_till(), payment_id, current_principal())


@bp.get("/api/v1/payments/provider/operations")
@requires_role(service.OPERATOR)
@bp.arguments(OrderArguments, location="query")
@bp.response(200, OperationListSchema)
def list_provider_operations(wanted: dict[str, str]) -> dict[str, Sequence[Operation]]:
    """List what the provider's own record holds of an order, oldest first."""
    return {"data": _till().provider.operations(wanted["order_id"])}


@bp.post("/api/v1/payments/webhook")
@_signed
@bp.arguments(EventSchema)
@bp.response(200, ReceiptSchema)
@bp.alt_response(400, "BAD_REQUEST")
@bp.alt_response(404, "NOT_FOUND")
@bp.alt_response(409, "CONFLICT")
@bp.doc(parameters=[SIGNATURE_PARAMETER])
def receive_event(event: webhooks.Event) -> dict[str, bool]:
    """Take an event of the provider.

    Whatever it says, only what the provider's own record confirms changes a payment.
    """
    webhooks.receive(_till(), event)
    return {"received": True}


@bp.get("/internal/operations")
@requires_scope(OPERATIONS_SCOPE)
@bp.response(200, OperationsSchema)
def show_operations() -> operations.Operations:
    """Show what an operator watches: what is unsettled, and whether the books balance.

    The balances add up the whole ledger; ask once in a while.
    """
    return operations.look(_till(), current_app.extensions["clients"].breakers)


def _render(payment: Payment) -> StoredAnswer:
    body = json.dumps(PaymentSchema().dump(payment)).encode()
    return StoredAnswer(200, {"Content-Type": "application/json"}, body)
