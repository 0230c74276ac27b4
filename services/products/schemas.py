"""Describe what the routes take and answer."""

from collections.abc import Container
from typing import Any

import marshmallow as ma
from marshmallow import fields, validate
from webargs.fields import DelimitedList

from chassis.inbound.api import Integer, QueryInteger, Schema, Text
from chassis.inbound.pagination import MAX_LIMIT, PageArguments
from contracts.money import MAX_AMOUNT_MINOR, MoneySchema

from .domain import MAX_LINES, MAX_QUANTITY, MAX_STOCK, SORTS, ProductQuery, merge_lines
from .fields import CATEGORY, NOT_BLANK, RESERVATION_ID, TAG, DecimalPrice, PatternText, above_zero

MAX_ID = 2**31 - 1


class ArticleProductSchema(Schema):
    """Describe a product in the shape that articles on this stack use."""

    id = fields.Integer(required=True, metadata={"example": 1})
    title = fields.String(required=True)
    brand = fields.String(required=True)
    price = DecimalPrice(required=True, metadata={"example": 19.99})
    description = fields.String(required=True)


class ArticleProductListSchema(Schema):
    """List products in the shape that articles on this stack use."""

    data = fields.List(fields.Nested(ArticleProductSchema), required=True)


class ProductSchema(Schema):
    """Describe a product."""

    id = fields.Integer(required=True, metadata={"example": 1})
    title = fields.String(required=True, metadata={"example": "Elixir of Uptime"})
    brand = fields.String(required=True)
    category = fields.String(required=True, metadata={"example": "elixirs"})
    description = fields.String(required=True)
    price = fields.Nested(MoneySchema, required=True)
    stock = fields.Integer(required=True, metadata={"description": "What can be bought now"})
    thumbnail = fields.String(required=True, allow_none=True)
    tags = fields.List(fields.String(), required=True, metadata={"example": ["mint"]})


class ProductInputSchema(Schema):
    """Take what operators say about a product."""

    title = PatternText(NOT_BLANK, maximum=200, required=True)
    brand = Text(maximum=100, required=True)
    category = PatternText(CATEGORY, maximum=64, required=True)
    description = Text(maximum=5000, load_default="")
    price = fields.Nested(MoneySchema, required=True, validate=above_zero)
    stock = Integer(minimum=0, maximum=MAX_STOCK, load_default=0)
    tags = fields.List(
        PatternText(TAG, maximum=40), validate=validate.Length(max=10), load_default=list
    )


class ProductChangesSchema(ProductInputSchema):
    """Take some of what operators say about a product; to be used with ``partial``."""


class StockSchema(Schema):
    """Take what can be bought now."""

    stock = Integer(required=True, minimum=0, maximum=MAX_STOCK)


class ProductArguments(PageArguments):
    """Read filters, sort and place from the query of the product list."""

    # A title of 200 characters, twelve bytes each in JSON, in base64.
    cursor = Text(maximum=4096, load_default=None, metadata={"description": "`next` of a page"})
    sort = fields.String(
        validate=validate.OneOf(SORTS),
        load_default="id",
        metadata={"description": "A minus puts the largest first"},
    )
    category = Text(maximum=64, metadata={"description": "Slug of a category"})
    brand = Text(maximum=100, metadata={"description": "Exactly this brand"})
    tag = PatternText(TAG, maximum=40, metadata={"description": "One of the product's tags"})
    q = Text(
        maximum=100,
        metadata={"description": "Part of title, brand or description, in any case of letters"},
    )
    min_price = QueryInteger(
        minimum=0, maximum=MAX_AMOUNT_MINOR, metadata={"description": "Minor units"}
    )
    max_price = QueryInteger(
        minimum=0, maximum=MAX_AMOUNT_MINOR, metadata={"description": "Minor units"}
    )
    in_stock = fields.Boolean(
        truthy={"true"},
        falsy={"false"},
        metadata={"description": "`true`: can be bought now; `false`: sold out"},
    )
    ids = DelimitedList(
        QueryInteger(minimum=1, maximum=MAX_ID),
        validate=validate.Length(min=1, max=MAX_LIMIT),
        metadata={"description": "Only these, and all of them unless `limit` says otherwise"},
    )

    @ma.post_load(pass_original=True)
    def make(self, data: dict[str, Any], original: Container[str], **_: Any) -> ProductQuery:
        """Return the query that was asked."""
        if "ids" in data and "limit" not in original:
            data["limit"] = MAX_LIMIT
        return ProductQuery(**data)


class CategorySchema(Schema):
    """Describe a category."""

    slug = fields.String(required=True, metadata={"example": "lab-curiosities"})
    name = fields.String(required=True, metadata={"example": "Lab curiosities"})
    count = fields.Integer(required=True, metadata={"description": "Number of products"})


class CategoryListSchema(Schema):
    """List the categories."""

    data = fields.List(fields.Nested(CategorySchema), required=True)


class SkippedItemSchema(Schema):
    """Say why an item was not imported."""

    position = fields.Integer(required=True, metadata={"description": "From 0, in the source"})
    errors = fields.Dict(required=True, metadata={"description": "What is wrong with which field"})


class ImportReportSchema(Schema):
    """Count what became of the items of a source."""

    imported = fields.Integer(required=True)
    updated = fields.Integer(required=True)
    skipped = fields.Integer(required=True)
    reasons = fields.List(fields.Nested(SkippedItemSchema), required=True)


class ReservationLineInputSchema(Schema):
    """Take a product and how many of it."""

    product_id = Integer(required=True, minimum=1, maximum=MAX_ID)
    quantity = Integer(required=True, minimum=1, maximum=MAX_QUANTITY)


class ReservationInputSchema(Schema):
    """Take what is to be held back."""

    reservation_id = PatternText(RESERVATION_ID, maximum=64, required=True)
    items = fields.List(
        fields.Nested(ReservationLineInputSchema),
        required=True,
        validate=validate.Length(min=1, max=MAX_LINES),
    )

    @ma.post_load
    def merge(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Return the quantity of each product under ``wanted``."""
        lines = ((line["product_id"], line["quantity"]) for line in data["items"])
        return {"reservation_id": data["reservation_id"], "wanted": merge_lines(lines)}


class ReservationLineSchema(Schema):
    """Describe goods that are held back, with the price of one at that moment."""

    product_id = fields.Integer(required=True)
    quantity = fields.Integer(required=True)
    title = fields.String(required=True)
    price = fields.Nested(MoneySchema, required=True)


class ReservationStatusSchema(Schema):
    """Say how far a reservation has come."""

    id = fields.String(required=True)
    status = fields.String(
        required=True,
        metadata={"description": "`held`, `confirmed`, `released`, `expired` or `restocked`"},
    )


class HeldGoodsSchema(Schema):
    """Count reservations and the units that they hold."""

    reservations = fields.Integer(required=True)
    units = fields.Integer(required=True)
    oldest_expiry = fields.AwareDateTime(required=True, allow_none=True)


class OperationsSchema(Schema):
    """Hold what an operator watches of products."""

    service = fields.String(required=True)
    breakers = fields.Dict(required=True)
    live = fields.Nested(HeldGoodsSchema, required=True)
    overdue = fields.Nested(HeldGoodsSchema, required=True)


class ReservationSchema(ReservationStatusSchema):
    """Describe a reservation."""

    expires_at = fields.AwareDateTime(required=True)
    items = fields.List(fields.Nested(ReservationLineSchema), required=True)
