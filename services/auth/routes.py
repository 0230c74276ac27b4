"""Serve log-in, log-out, the key set and service tokens."""

from typing import Any

from flask import Response, after_this_request, current_app

from chassis.inbound.api import Blueprint
from chassis.inbound.app import settings_of
from chassis.inbound.identity import cookie_name, current_principal, requires_user

from . import service
from .models import User
from .schemas import (
    ClientCredentialsSchema,
    CredentialsSchema,
    KeySetSchema,
    MessageSchema,
    TokenSchema,
    UserSchema,
)
from .tokens import AccessToken

bp = Blueprint("auth", __name__, description="Signing in, and the keys of the tokens")


def _desk() -> service.Desk:
    desk: service.Desk = current_app.extensions["desk"]
    return desk


def _log_in(credentials: dict[str, str]) -> AccessToken:
    token = service.log_in(_desk(), **credentials)
    production = settings_of(current_app).production

    @after_this_request
    def keep_in_cookie(response: Response) -> Response:
        response.set_cookie(
            cookie_name(production=production),
            token.access_token,
            # A browser that kept it longer would be told that its token is invalid.
            max_age=token.expires_in,
            secure=production,
            httponly=True,
            samesite="Lax",
        )
        return response

    return token


@bp.post("/auth")
@bp.arguments(CredentialsSchema)
@bp.response(200, MessageSchema)
@bp.alt_response(401, "UNAUTHORIZED")
def authenticate(credentials: dict[str, str]) -> dict[str, str]:
    """Sign in and get the cookie, in the shape that articles on this stack use."""
    _log_in(credentials)
    return {"message": "Authentication successful"}


@bp.post("/api/v1/auth/login")
@bp.arguments(CredentialsSchema)
@bp.response(200, TokenSchema)
@bp.alt_response(401, "UNAUTHORIZED")
def log_in(credentials: dict[str, str]) -> AccessToken:
    """Sign in and get an access token, in the answer and in a cookie.

    A wrong password and an unknown user are answered alike.
    """
    return _log_in(credentials)


@bp.get("/api/v1/auth/me")
@requires_user
@bp.response(200, UserSchema)
@bp.alt_response(401, "UNAUTHORIZED")
def show_me() -> User:
    """Describe the user whom the token speaks for."""
    return service.get_user(_desk(), current_principal().subject)


@bp.post("/api/v1/auth/logout")
@bp.response(204)
def log_out() -> None:
    """Clear the cookies, whether or not they hold a valid token.

    The access token itself lasts until it expires.
    """
    production = settings_of(current_app).production

    # With the attributes of the log-in, because browsers pass over a `__Host-` cookie otherwise.
    @after_this_request
    def clear_cookies(response: Response) -> Response:
        name = cookie_name(production=production)
        response.delete_cookie(name, secure=production, httponly=True, samesite="Lax")
        return response


@bp.get("/.well-known/jwks.json")
@bp.response(200, KeySetSchema)
def show_key_set() -> tuple[dict[str, Any], dict[str, str]]:
    """List the public keys with which everybody can verify the tokens."""
    # Whoever keeps it in between may do so as long as the services themselves.
    seconds = int(settings_of(current_app).key_set_seconds)
    return _desk().key_ring.jwks(), {"Cache-Control": f"public, max-age={seconds}"}


@bp.post("/internal/tokens")
@bp.arguments(ClientCredentialsSchema)
@bp.response(200, TokenSchema)
@bp.alt_response(401, "UNAUTHORIZED")
def issue_service_token(credentials: dict[str, str]) -> AccessToken:
    """Give a service the token for its calls to other services."""
    return service.issue_service_token(_desk(), **credentials)
