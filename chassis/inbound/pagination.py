"""Page through lists by keyset: opaque cursors that stay right while rows come and go.

Source: Winand, SQL Performance Explained, "Paging Through Results" (the seek method).
"""

import base64
import json
from collections.abc import Sequence
from typing import Any

import marshmallow as ma
from marshmallow import fields

from chassis.errors import Invalid, ServiceError
from chassis.inbound.api import QueryInteger, Schema, Text
from chassis.inbound.bodies import parse_json

MAX_LIMIT = 100
DEFAULT_LIMIT = 20


class PageArguments(Schema):
    """Read the query parameters that every list takes."""

    limit = QueryInteger(
        minimum=1,
        maximum=MAX_LIMIT,
        load_default=DEFAULT_LIMIT,
        metadata={"description": "How many at most"},
    )
    cursor = Text(maximum=512, load_default=None, metadata={"description": "`next` of a page"})


def page_schema(item: type[ma.Schema]) -> type[ma.Schema]:
    """Return the schema of a page of items."""
    name = item.__name__.removesuffix("Schema") + "Page"
    return Schema.from_dict(
        {
            "data": fields.List(fields.Nested(item), required=True),
            "next": fields.String(required=True, allow_none=True),
        },
        name=name,
    )


def encode_cursor(values: Sequence[str | int | None]) -> str:
    """Return the cursor that continues after a row with these key values."""
    return base64.urlsafe_b64encode(json.dumps(list(values)).encode()).rstrip(b"=").decode()


def decode_cursor(cursor: str, types: Sequence[type]) -> tuple[Any, ...]:
    """Return the key values of a cursor.

    Raises:
        Invalid: it is none of ours, or belongs to another list or order.
    """
    try:
        values = parse_json(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, ServiceError):
        values = None
    if not isinstance(values, list) or [type(value) for value in values] != list(types):
        message = "The cursor does not belong to this list."
        raise Invalid(message, errors={"cursor": ["Not a cursor of this list."]})
    return tuple(values)
