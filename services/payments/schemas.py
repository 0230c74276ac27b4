"""Describe what the routes read and answer."""

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, post_load, validate

from chassis.inbound.api import Integer, Schema, Text
from contracts.money import CURRENCIES, MAX_AMOUNT_MINOR, Money, MoneySchema

from .domain import Kind, Status
from .service import Charge
from .webhooks import Event, EventType

CARD_TOKEN = r"[a-z][a-z0-9_]*\Z"  # noqa: S105 - a pattern: no card number matches it.


def _above_zero(amount: Money) -> None:
    if not amount.amount_minor:
        raise ValidationError({"amount_minor": ["Must be above zero."]})


class ChargeSchema(Schema):
    """Ask for the amount of an order from a card."""

    order_id = Text(required=True, minimum=1, maximum=64, metadata={"example": "ord_6Yl0m3wQ"})
    user_id = Text(required=True, minimum=1, maximum=128)
    amount = fields.Nested(MoneySchema, required=True, validate=_above_zero)
    token = Text(
        required=True,
        maximum=64,
        also=(validate.Regexp(CARD_TOKEN),),
        metadata={
            "example": "tok_ok",
            "description": "The provider's name for the card",
            "pattern": "^[a-z][a-z0-9_]*$",
        },
    )

    @post_load
    def make(self, data: Mapping[str, Any], **_: Any) -> Charge:
        """Return the charge that was read."""
        return Charge(**data)


class RefundSchema(Schema):
    """Give back an amount, or without one all that is left."""

    # A null is refused: it looks like an amount that got lost, and would give back everything.
    amount = fields.Nested(MoneySchema, load_default=None, allow_none=False, validate=_above_zero)


class OrderArguments(Schema):
    """Name the order."""

    order_id = Text(required=True, minimum=1, maximum=64)


class PaymentSchema(Schema):
    """Hold a payment."""

    id = fields.String(required=True, metadata={"example": "pay_hn0EO0FvRmmz2mL5sXq8Zg"})
    order_id = fields.String(required=True)
    status = fields.String(required=True, validate=validate.OneOf(list(Status)))
    amount = fields.Nested(MoneySchema, required=True)
    captured = fields.Nested(MoneySchema, required=True)
    refunded = fields.Nested(MoneySchema, required=True)


class PaymentListSchema(Schema):
    """List payments."""

    data = fields.List(fields.Nested(PaymentSchema), required=True)


class OperationSchema(Schema):
    """Hold an operation as the provider recorded it."""

    id = fields.String(required=True)
    kind = fields.String(required=True, validate=validate.OneOf(list(Kind)))
    payment_id = fields.String(required=True)
    order_id = fields.String(required=True)
    amount = fields.Nested(MoneySchema, required=True)
    idempotency_key = fields.String(required=True)
    created_at = fields.DateTime(required=True, format="iso")


class OperationListSchema(Schema):
    """List operations, oldest first."""

    data = fields.List(fields.Nested(OperationSchema), required=True)


class BacklogSchema(Schema):
    """Count what waits to be settled."""

    count = fields.Integer(required=True)
    oldest_age_seconds = fields.Float(required=True, allow_none=True)


class BalanceSchema(Schema):
    """Hold the balance of an account, debits above zero."""

    account = fields.String(required=True)
    currency = fields.String(required=True)
    amount_minor = fields.Integer(required=True)


class OperationsSchema(Schema):
    """Hold what an operator watches of payments."""

    service = fields.String(required=True)
    breakers = fields.Dict(required=True)
    pending = fields.Nested(BacklogSchema, required=True)
    authorised = fields.Nested(BacklogSchema, required=True)
    unfinished_refunds = fields.Nested(BacklogSchema, required=True)
    ledger = fields.List(fields.Nested(BalanceSchema), required=True)
    ledger_sum_minor = fields.Integer(required=True)
    unbalanced_postings = fields.List(fields.String(), required=True)


class EventSchema(Schema):
    """Report something that happened to a payment at the provider."""

    # It is logged when something is wrong, and must not break the line.
    id = Text(
        required=True,
        maximum=128,
        also=(validate.Regexp(r"[!-~]+\Z"),),
        metadata={"example": "evt_1", "pattern": "^[!-~]+$"},
    )
    type = fields.String(required=True, validate=validate.OneOf(list(EventType)))
    payment_id = Text(required=True, minimum=1, maximum=64)
    amount_minor = Integer(required=True, minimum=0, maximum=MAX_AMOUNT_MINOR)
    currency = Text(required=True, minimum=3, maximum=3, metadata={"example": CURRENCIES[0]})

    @post_load
    def make(self, data: Mapping[str, Any], **_: Any) -> Event:
        """Return the event that was read."""
        return Event(**data)


class ReceiptSchema(Schema):
    """Confirm that an event arrived."""

    received = fields.Boolean(required=True)
