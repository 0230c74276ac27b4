"""Describe what the routes read and answer."""

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, post_load, validate

from chassis.inbound.api import Integer, Schema, Text
from chassis.outbound.breaker import BreakerState
from contracts.money import Money, MoneySchema
from messaging.backlog import DeadLetterSchema, OutboxSchema

from .domain import MAX_LINES, MAX_QUANTITY, Line, Status

MAX_PRODUCT_ID = 2**31 - 1


def _above_zero(amount: Money) -> None:
    if not amount.amount_minor:
        raise ValidationError({"amount_minor": ["Must be above zero."]})


class LineSchema(Schema):
    """Ask for a quantity of a product."""

    product_id = Integer(required=True, minimum=1, maximum=MAX_PRODUCT_ID)
    quantity = Integer(required=True, minimum=1, maximum=MAX_QUANTITY)

    @post_load
    def make(self, data: Mapping[str, Any], **_: Any) -> Line:
        """Return the line that was read."""
        return Line(**data)


class CardSchema(Schema):
    """Name a card by the token that the payment provider gave for it."""

    token = Text(
        required=True,
        maximum=64,
        also=(validate.Regexp(r"[a-z][a-z0-9_]*\Z"),),
        metadata={"example": "tok_ok", "pattern": "^[a-z][a-z0-9_]*$"},
    )


class AddressSchema(Schema):
    """Say where the goods go."""

    name = Text(required=True, minimum=1, maximum=120)
    line1 = Text(required=True, minimum=1, maximum=200)
    line2 = Text(maximum=200)
    city = Text(required=True, minimum=1, maximum=120)
    postal_code = Text(required=True, minimum=1, maximum=20)
    country = Text(
        required=True,
        also=(validate.Regexp(r"[A-Z]{2}\Z", error="Use the two letters of ISO 3166-1."),),
        metadata={"example": "DE", "pattern": "^[A-Z]{2}$"},
    )


class NewOrderSchema(Schema):
    """Place an order; without ``items`` it takes those of the cart."""

    # A null is refused, here and below: it looks like a value that got lost.
    items = fields.List(
        fields.Nested(LineSchema), validate=validate.Length(1, MAX_LINES), allow_none=False
    )
    payment = fields.Nested(CardSchema, required=True)
    shipping_address = fields.Nested(AddressSchema, required=True)


class OrderItemSchema(Schema):
    """Hold a line of an order; title and price are null until the stock is reserved."""

    product_id = fields.Integer(required=True)
    quantity = fields.Integer(required=True)
    title = fields.String(required=True, allow_none=True)
    price = fields.Nested(MoneySchema, required=True, allow_none=True)


class OrderSchema(Schema):
    """Hold an order."""

    id = fields.String(required=True, metadata={"example": "ord_6Yl0m3wQ"})
    status = fields.String(required=True, validate=validate.OneOf(list(Status)))
    items = fields.List(fields.Nested(OrderItemSchema), required=True)
    total = fields.Nested(MoneySchema, required=True, allow_none=True)
    payment_id = fields.String(required=True, allow_none=True)
    shipping_address = fields.Nested(AddressSchema, required=True)
    created_at = fields.String(required=True, metadata={"format": "date-time"})
    updated_at = fields.String(required=True, metadata={"format": "date-time"})


class PaymentSchema(Schema):
    """Hold what became of the money."""

    id = fields.String(required=True)
    status = fields.String(required=True)
    captured = fields.Nested(MoneySchema, required=True)
    refunded = fields.Nested(MoneySchema, required=True)


class RefundedOrderSchema(OrderSchema):
    """Hold an order and its payment after a refund."""

    payment = fields.Nested(PaymentSchema, required=True)


class RefundSchema(Schema):
    """Give back an amount, or without one all that is left."""

    amount = fields.Nested(MoneySchema, allow_none=False, validate=_above_zero)


class QuantitySchema(Schema):
    """Set how many of a product the cart holds."""

    quantity = Integer(required=True, minimum=1, maximum=MAX_QUANTITY)


class CartItemSchema(Schema):
    """Hold a line of the cart; ``available`` is null while the catalogue is away."""

    product_id = fields.Integer(required=True)
    quantity = fields.Integer(required=True)
    title = fields.String(required=True)
    price = fields.Nested(MoneySchema, required=True)
    available = fields.Boolean(required=True, allow_none=True)


class BreakerSchema(Schema):
    """Say whether calls to a neighbour are let through."""

    state = fields.String(required=True, validate=validate.OneOf(list(BreakerState)))


class UnsettledOrderSchema(Schema):
    """Name an order with work left."""

    id = fields.String(required=True)
    status = fields.String(required=True, validate=validate.OneOf(list(Status)))
    created_at = fields.DateTime(required=True)


class UnfinishedSchema(Schema):
    """Count the orders that are not settled; ``owing`` ones owe a refund or their goods.

    The ``oldest`` of both kinds are named, twenty at most.
    """

    by_status = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    oldest_age_seconds = fields.Float(required=True, allow_none=True)
    owing = fields.Integer(required=True)
    oldest = fields.List(fields.Nested(UnsettledOrderSchema), required=True)


class OperationsSchema(Schema):
    """Hold what an operator wants to know of the service."""

    service = fields.String(required=True)
    breakers = fields.Dict(keys=fields.String(), values=fields.Nested(BreakerSchema), required=True)
    outbox = fields.Nested(OutboxSchema, required=True)
    dead_letters = fields.List(fields.Nested(DeadLetterSchema), required=True)
    unfinished = fields.Nested(UnfinishedSchema, required=True)


class CartSchema(Schema):
    """Hold somebody's cart; an empty one's total is zero, one beyond all amounts has none."""

    items = fields.List(fields.Nested(CartItemSchema), required=True)
    total = fields.Nested(MoneySchema, required=True, allow_none=True)
