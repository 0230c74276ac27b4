"""Describe what the routes answer."""

from marshmallow import fields

from chassis.inbound.api import Schema


class GreetingSchema(Schema):
    """Hold a greeting."""

    message = fields.String(required=True, metadata={"example": "Hello, Alice!"})


class TranslatedGreetingSchema(GreetingSchema):
    """Hold a greeting and say which language it is in."""

    language = fields.String(required=True, metadata={"example": "fr"})
    direction = fields.String(required=True, metadata={"description": "`ltr` or `rtl`"})


class OwnGreetingSchema(TranslatedGreetingSchema):
    """Hold a greeting for who is signed in."""

    fallback = fields.Boolean(metadata={"description": "True in a plain one; else left out"})


class HelloSchema(Schema):
    """Hold the name that was greeted."""

    hello = fields.String(required=True, metadata={"example": "alice"})


class LanguageSchema(Schema):
    """Describe a language that greetings are written in."""

    code = fields.String(required=True, metadata={"example": "de"})
    name = fields.String(required=True, metadata={"example": "German"})
    native_name = fields.String(required=True, metadata={"example": "Deutsch"})


class LanguageListSchema(Schema):
    """List the languages."""

    data = fields.List(fields.Nested(LanguageSchema), required=True)
