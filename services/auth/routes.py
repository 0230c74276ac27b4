"""Serve log-in, refresh, log-out, the key set and service tokens."""

from contextlib import suppress
from typing import Any

from flask import Response, after_this_request, current_app, request

from chassis.errors import Unauthenticated
from chassis.inbound.api import Blueprint
from chassis.inbound.app import settings_of
from chassis.inbound.identity import (
    cookie_name,
    cookie_of,
    current_principal,
    requires_user,
    token_of,
)
from chassis.inbound.tokens import TokenVerifier

from . import service
from .models import User
from .schemas import (
    ClientCredentialsSchema,
    CredentialsSchema,
    KeySetSchema,
    MessageSchema,
    RefreshSchema,
    SignedInSchema,
    TokenSchema,
    UserSchema,
)
from .tokens import AccessToken

REFRESH_PATH = "/api/v1/auth/refresh"

bp = Blueprint("auth", __name__, description="Signing in, and the keys of the tokens")


def _desk() -> service.Desk:
    desk: service.Desk = current_app.extensions["desk"]
    return desk


def _keep_in_cookies(token: AccessToken) -> AccessToken:
    production = settings_of(current_app).production
    common: dict[str, Any] = {"secure": production, "httponly": True}

    @after_this_request
    def set_cookies(response: Response) -> Response:
        # A browser that kept one longer would be told that it is invalid.
        response.set_cookie(
            cookie_name(production=production),
            token.access_token,
            max_age=token.expires_in,
            samesite="Lax",
            **common,
        )
        # It travels to one address only, and with no request that another site makes.
        response.set_cookie(
            _refresh_cookie(),
            token.refresh_token or "",
            max_age=int(_desk().lives.token.total_seconds()),
            path=REFRESH_PATH,
            samesite="Strict",
            **common,
        )
        return response

    return token


def _refresh_cookie() -> str:
    """Return the cookie of the refresh token; `__Host-` would send it to every address."""
    return "__Secure-refresh" if settings_of(current_app).production else "refresh"


@bp.post("/auth")
@bp.arguments(CredentialsSchema)
@bp.response(200, MessageSchema)
@bp.alt_response(401, "UNAUTHORIZED")
def authenticate(credentials: dict[str, str]) -> dict[str, str]:
    """Sign in and get the cookies, in the shape that articles on this stack use."""
    _keep_in_cookies(service.log_in(_desk(), **credentials))
    return {"message": "Authentication successful"}


@bp.post("/api/v1/auth/login")
@bp.arguments(CredentialsSchema)
@bp.response(200, SignedInSchema)
@bp.alt_response(401, "UNAUTHORIZED")
def log_in(credentials: dict[str, str]) -> AccessToken:
    """Sign in and get an access and a refresh token, in the answer and in cookies.

    A wrong password and an unknown user are answered alike.
    """
    return _keep_in_cookies(service.log_in(_desk(), **credentials))


@bp.post(REFRESH_PATH)
@bp.arguments(RefreshSchema)
@bp.response(200, SignedInSchema)
@bp.alt_response(401, "UNAUTHORIZED")
def refresh(body: dict[str, str]) -> AccessToken:
    """Get the next tokens for a refresh token, from the body or else from its cookie.

    It is good once. Used again within seconds, since an answer may get lost, it gives the same
    successor; later it ends the session, because somebody else may have used it.
    """
    token = body.get("refresh_token") or cookie_of(request, _refresh_cookie()) or ""
    return _keep_in_cookies(service.refresh(_desk(), token))


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
    """End the session and clear the cookies, whether or not they hold a valid token.

    The access token itself lasts until it expires.
    """
    name = cookie_name(production=settings_of(current_app).production)
    with suppress(Unauthenticated):
        verifier: TokenVerifier = current_app.extensions["token_verifier"]
        service.log_out(_desk(), verifier.verify(token_of(request, name)).session_id)

    # With the attributes of the log-in, because browsers pass over a `__Host-` cookie otherwise.
    @after_this_request
    def clear_cookies(response: Response) -> Response:
        common: dict[str, Any] = {"secure": name.startswith("__"), "httponly": True}
        response.delete_cookie(name, samesite="Lax", **common)
        response.delete_cookie(_refresh_cookie(), path=REFRESH_PATH, samesite="Strict", **common)
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
