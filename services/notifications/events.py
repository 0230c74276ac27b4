"""Read the data of the events that lead to mails; ``contracts/events`` describes it."""

from collections.abc import Mapping
from typing import Final

import marshmallow as ma
from marshmallow import fields, validate

from chassis.inbound.api import Integer, Text
from contracts.money import MAX_AMOUNT_MINOR, MINOR_DIGITS
from messaging.consumer import Lenient


class AccountOpenedSchema(Lenient):
    """Read who has an account now."""

    user_id = Text(required=True, minimum=1, maximum=128)
    username = Text(required=True, minimum=1, maximum=64)
    email = Text(required=True, minimum=3, maximum=254)
    language = Text(load_default=None, allow_none=True, maximum=35)
    given_name = Text(load_default=None, allow_none=True, maximum=200)


class AmountSchema(Lenient):
    """Read an amount of money."""

    amount_minor = Integer(required=True, minimum=0, maximum=MAX_AMOUNT_MINOR)
    currency = fields.String(required=True, validate=validate.OneOf([*MINOR_DIGITS]))


class ItemSchema(Lenient):
    """Read a line of an order."""

    quantity = Integer(required=True, minimum=1)
    title = Text(required=True, maximum=200)
    price = fields.Nested(AmountSchema, required=True)


class OrderSchema(Lenient):
    """Read what all events of an order tell."""

    order_id = Text(required=True, minimum=1, maximum=64)
    user_id = Text(required=True, minimum=1, maximum=128)
    items = fields.List(fields.Nested(ItemSchema), required=True, validate=validate.Length(min=1))
    total = fields.Nested(AmountSchema, required=True)


OPENED: Final = "account.opened"
SCHEMAS: Final[Mapping[str, ma.Schema]] = {
    OPENED: AccountOpenedSchema(),
    **{
        f"order.{change}": OrderSchema()
        for change in ("confirmed", "rejected", "cancelled", "refunded")
    },
}
"""How to read the data of each type that leads to a mail."""
