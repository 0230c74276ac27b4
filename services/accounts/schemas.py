"""Describe what the routes read and answer."""

import unicodedata

from marshmallow import ValidationError, fields, validate

from chassis.inbound.api import Schema, Text

from .domain import LANGUAGE, MAX_ADDRESSES, MAX_LANGUAGE_LENGTH, MAX_NAME_LENGTH

# Controls and the separators of lines and paragraphs, by their Unicode categories.
UNPRINTABLE = {"Cc", "Zl", "Zp"}


def _one_line(text: str) -> None:
    if text.isspace() or any(unicodedata.category(each) in UNPRINTABLE for each in text):
        raise ValidationError("Use a line of plain text.")


def _language(text: str) -> None:
    # Not marshmallow's Regexp: its ``$`` would let a line break follow.
    if not LANGUAGE.fullmatch(text):
        raise ValidationError("Use a language tag such as 'en' or 'de-AT'.")


def _line(maximum: int, **kwargs: bool) -> Text:
    return Text(minimum=1, maximum=maximum, also=(_one_line,), **kwargs)


class AddressSchema(Schema):
    """Say where goods go; orders takes it as a shipping address."""

    name = _line(MAX_NAME_LENGTH, required=True)
    line1 = _line(200, required=True)
    line2 = _line(200)
    city = _line(120, required=True)
    postal_code = _line(20, required=True)
    country = Text(
        required=True,
        also=(validate.Regexp(r"[A-Z]{2}\Z", error="Use the two letters of ISO 3166-1."),),
        metadata={"example": "DE", "pattern": "^[A-Z]{2}$"},
    )


class ChangesSchema(Schema):
    """Set some of what one says of oneself; null clears."""

    given_name = _line(MAX_NAME_LENGTH, allow_none=True)
    family_name = _line(MAX_NAME_LENGTH, allow_none=True)
    language = Text(
        maximum=MAX_LANGUAGE_LENGTH,
        also=(_language,),
        allow_none=True,
        metadata={"example": "de-AT", "pattern": f"^{LANGUAGE.pattern}$"},
    )
    # They are replaced all together.
    addresses = fields.List(
        fields.Nested(AddressSchema), validate=validate.Length(max=MAX_ADDRESSES), allow_none=False
    )


class PersonSchema(Schema):
    """Hold who somebody is, for another service."""

    id = fields.String(required=True, metadata={"description": "As `sub` of their tokens"})
    username = fields.String(required=True, metadata={"example": "alice"})
    email = fields.String(required=True, allow_none=True)
    given_name = fields.String(required=True, allow_none=True)
    family_name = fields.String(required=True, allow_none=True)
    language = fields.String(required=True, allow_none=True, metadata={"example": "de-AT"})


class AccountSchema(PersonSchema):
    """Hold an account."""

    addresses = fields.List(fields.Nested(AddressSchema), required=True)
    created_at = fields.String(required=True, metadata={"format": "date-time"})
