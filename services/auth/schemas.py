"""Describe what the routes take and answer."""

from typing import Any

from marshmallow import ValidationError, fields, post_load, validate

from chassis.inbound.api import QueryInteger, Schema, Text

from .domain import MAX_PASSWORD_LENGTH, MAX_USERNAME_LENGTH, ROLES
from .fields import Language, MailAddress, Username
from .registration import Newcomer


def _each_once(names: list[str]) -> None:
    if len(set(names)) < len(names):
        raise ValidationError("Expected each of them once.")


class CredentialsSchema(Schema):
    """Take a user name, in any case, and a password."""

    # Lengths only: a rule for names here would say which of them can exist.
    username = Text(
        required=True, minimum=1, maximum=MAX_USERNAME_LENGTH, metadata={"example": "alice"}
    )
    password = Text(
        required=True, minimum=1, maximum=MAX_PASSWORD_LENGTH, metadata={"example": "alice"}
    )


class NewcomerSchema(Schema):
    """Take what somebody says who registers; the password's rules say what is wrong with it."""

    username = Username(required=True, metadata={"example": "olga"})
    email = MailAddress(required=True, metadata={"example": "olga@example.com"})
    password = Text(
        required=True, maximum=MAX_PASSWORD_LENGTH, metadata={"example": "twelve quiet owls"}
    )
    language = Language(metadata={"example": "en"})

    @post_load
    def make_newcomer(self, data: dict[str, Any], **_: Any) -> Newcomer:
        """Return them as an object."""
        return Newcomer(**data)


class PasswordSchema(Schema):
    """Take the password that somebody has and the one that they want, whose rules come later."""

    current_password = Text(
        required=True, minimum=1, maximum=MAX_PASSWORD_LENGTH, metadata={"example": "alice"}
    )
    new_password = Text(
        required=True, maximum=MAX_PASSWORD_LENGTH, metadata={"example": "twelve quiet owls"}
    )


class RegisteredSchema(Schema):
    """Say who somebody is who has registered."""

    id = fields.String(required=True)
    username = fields.String(required=True, metadata={"example": "olga"})


class RefreshSchema(Schema):
    """Take a refresh token from clients that keep no cookies."""

    bodiless = True

    refresh_token = Text(minimum=1, maximum=128)


class RevocationArguments(Schema):
    """Take what is known already."""

    since = QueryInteger(
        minimum=0, maximum=10**11, metadata={"description": "The `now` of the answer before"}
    )


class RevocationListSchema(Schema):
    """List whose access has ended."""

    revoked = fields.List(fields.String(), required=True)
    now = fields.Integer(required=True, metadata={"description": "Unix seconds"})
    seconds = fields.Integer(
        required=True, metadata={"description": "How long an id has to be remembered"}
    )
    keys = fields.List(
        fields.String(), required=True, metadata={"description": "The `kid` of each trusted key"}
    )


class ClientCredentialsSchema(Schema):
    """Take the name of a service and its secret."""

    client_id = Text(required=True, minimum=1, maximum=64, metadata={"example": "orders"})
    client_secret = Text(required=True, minimum=1, maximum=1024)


class MessageSchema(Schema):
    """Say what happened."""

    message = fields.String(required=True, metadata={"example": "Authentication successful"})


class TokenSchema(Schema):
    """Hold an access token."""

    access_token = fields.String(required=True)
    token_type = fields.String(required=True, metadata={"example": "Bearer"})
    expires_in = fields.Integer(required=True, metadata={"description": "Seconds"})


class SignedInSchema(TokenSchema):
    """Hold an access token, and the refresh token that is good for the next one, once."""

    refresh_token = fields.String(required=True)


class UserSchema(Schema):
    """Describe a user to themselves."""

    id = fields.String(required=True)
    username = fields.String(required=True, metadata={"example": "alice"})
    email = fields.String(required=True, allow_none=True)
    roles = fields.List(fields.String(), required=True, metadata={"example": ["customer"]})


class UserAdministrationSchema(UserSchema):
    """Describe a user to operators."""

    disabled = fields.Boolean(required=True)


class RolesSchema(Schema):
    """Take the roles that a user is to have: at least one, each once."""

    roles = fields.List(
        fields.String(validate=validate.OneOf(ROLES)),
        required=True,
        validate=[validate.Length(min=1, max=len(ROLES)), _each_once],
        metadata={"example": ["customer"]},
    )


class KeySchema(Schema):
    """Describe a public key (RFC 7517, RFC 8037)."""

    kty = fields.String(required=True, metadata={"example": "OKP"})
    crv = fields.String(required=True, metadata={"example": "Ed25519"})
    x = fields.String(required=True, metadata={"description": "The key, base64url"})
    kid = fields.String(required=True, metadata={"description": "Its RFC 7638 thumbprint"})
    use = fields.String(required=True, metadata={"example": "sig"})
    alg = fields.String(required=True, metadata={"example": "EdDSA"})


class KeySetSchema(Schema):
    """List the keys that tokens may be signed with."""

    keys = fields.List(fields.Nested(KeySchema), required=True)
