"""Serve registration, log-in, refresh, log-out, the key set and service tokens."""

from contextlib import suppress
from typing import Any

from flask import Response, after_this_request, current_app, request

from chassis.errors import Malformed, Unauthenticated
from chassis.inbound.api import Blueprint
from chassis.inbound.app import settings_of
from chassis.inbound.identity import (
    cookie_name,
    cookie_of,
    cookies_of,
    current_principal,
    requires_role,
    requires_scope,
    requires_user,
    verified_principal,
)
from chassis.inbound.sources import source_of

from . import administration, password_change, registration, service
from .domain import OPERATOR
from .models import User
from .registration import Newcomer
from .schemas import (
    ClientCredentialsSchema,
    CredentialsSchema,
    KeySetSchema,
    MessageSchema,
    NewcomerSchema,
    PasswordSchema,
    RefreshSchema,
    RegisteredSchema,
    RevocationArguments,
    RevocationListSchema,
    RolesSchema,
    SignedInSchema,
    TokenSchema,
    UserAdministrationSchema,
    UserSchema,
)
from .service import Visitor
from .tokens import AccessToken

# Where the refresh token travels to: a log-out ends its session as well.
REFRESH_PATH = "/api/v1/auth"

bp = Blueprint("auth", __name__, description="Signing in, and the keys of the tokens")


def _desk() -> service.Desk:
    desk: service.Desk = current_app.extensions["desk"]
    return desk


def _cookies() -> tuple[tuple[str, dict[str, Any]], tuple[str, dict[str, Any]]]:
    """Return the names and attributes of the access token's and the refresh token's cookie."""
    production = settings_of(current_app).production
    common = {"secure": production, "httponly": True}
    # It travels to this service only, and with no request that another site makes. `__Host-` would
    # send it to every address.
    refresh_name = "__Secure-refresh" if production else "refresh"
    return (
        (cookie_name(production=production), {"samesite": "Lax", **common}),
        (refresh_name, {"samesite": "Strict", "path": REFRESH_PATH, **common}),
    )


def _device_cookie() -> tuple[str, dict[str, Any]]:
    """Return the name and attributes of the cookie by which a browser is known."""
    production = settings_of(current_app).production
    name = "__Host-device" if production else "device"
    return name, {"secure": production, "httponly": True, "samesite": "Lax"}


def _visitor() -> Visitor:
    device = None
    # One that comes twice was planted, and makes its bearer a stranger.
    with suppress(Unauthenticated):
        device = cookie_of(request.headers, _device_cookie()[0])
    return Visitor(source_of(request), device)


def _keep_in_cookies(token: AccessToken) -> AccessToken:
    (access, of_access), (refresh_name, of_refresh) = _cookies()
    life = int(_desk().lives.token.total_seconds())

    @after_this_request
    def set_cookies(response: Response) -> Response:
        # A browser that kept one longer would be told that it is invalid.
        response.set_cookie(access, token.access_token, max_age=token.expires_in, **of_access)
        response.set_cookie(refresh_name, token.refresh_token or "", max_age=life, **of_refresh)
        if token.device:
            name, of_device = _device_cookie()
            known = int(_desk().device_life.total_seconds())
            response.set_cookie(name, token.device, max_age=known, **of_device)
        return response

    return token


def _kept_refresh_token() -> str:
    _, (name, _) = _cookies()
    return cookie_of(request.headers, name) or ""


def _clear_cookies() -> None:
    # With the attributes of the log-in, because browsers pass over a `__Host-` cookie otherwise.
    @after_this_request
    def clear_cookies(response: Response) -> Response:
        for name, attributes in _cookies():
            response.delete_cookie(name, **attributes)
        return response


@bp.post("/api/v1/auth/register")
@bp.arguments(NewcomerSchema)
@bp.response(201, RegisteredSchema)
@bp.alt_response(409, "CONFLICT")
@bp.alt_response(429, "TOO_MANY_REQUESTS")
def register(newcomer: Newcomer) -> User:
    """Become a customer, and get the cookies of a log-in.

    Whether the name or the address is taken is not told.
    """
    user, token = registration.register(_desk(), newcomer, _visitor())
    _keep_in_cookies(token)
    return user


@bp.post("/auth")
@bp.arguments(CredentialsSchema)
@bp.response(200, MessageSchema)
@bp.alt_response(401, "UNAUTHORIZED")
@bp.alt_response(429, "TOO_MANY_REQUESTS")
def authenticate(credentials: dict[str, str]) -> dict[str, str]:
    """Sign in and get the cookies, in the shape that articles on this stack use."""
    _keep_in_cookies(service.log_in(_desk(), **credentials, visitor=_visitor()))
    return {"message": "Authentication successful"}


@bp.post("/api/v1/auth/login")
@bp.arguments(CredentialsSchema)
@bp.response(200, SignedInSchema)
@bp.alt_response(401, "UNAUTHORIZED")
@bp.alt_response(429, "TOO_MANY_REQUESTS")
def log_in(credentials: dict[str, str]) -> AccessToken:
    """Sign in and get an access and a refresh token, in the answer and in cookies.

    A wrong password and an unknown user are answered alike. Wrong passwords have to wait.
    """
    return _keep_in_cookies(service.log_in(_desk(), **credentials, visitor=_visitor()))


@bp.post("/api/v1/auth/refresh")
@bp.arguments(RefreshSchema)
@bp.response(200, SignedInSchema)
@bp.alt_response(401, "UNAUTHORIZED")
def refresh(body: dict[str, str]) -> AccessToken:
    """Get the next tokens for a refresh token, from the body or else from its cookie.

    It is good once. Used again within seconds, since an answer may get lost, it gives the same
    successor; later it ends the session, because somebody else may have used it.
    """
    token = body.get("refresh_token") or _kept_refresh_token()
    if not (token or request.content_length):
        raise Malformed("The refresh token goes into the body or into its cookie.")
    # Cookies stay when it is refused: another tab may just have got the new ones.
    return _keep_in_cookies(service.refresh(_desk(), token))


@bp.post("/api/v1/auth/password")
@requires_user
@bp.arguments(PasswordSchema)
@bp.response(200, SignedInSchema)
@bp.alt_response(401, "UNAUTHORIZED")
@bp.alt_response(409, "CONFLICT")
@bp.alt_response(429, "TOO_MANY_REQUESTS")
def change_password(passwords: dict[str, str]) -> AccessToken:
    """Change one's password, and get new tokens as at a log-in.

    All other sessions end. A wrong current password counts as one at a log-in does.
    """
    current, new = passwords["current_password"], passwords["new_password"]
    who = current_principal()
    return _keep_in_cookies(password_change.change_password(_desk(), who, current, new, _visitor()))


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

    Its access tokens are refused everywhere within seconds.
    """
    _, (name, _) = _cookies()
    # Of two cookies one was planted, and nobody can tell which; the session ends all the same.
    for token in cookies_of(request.headers, name):
        service.log_out(_desk(), refresh_token=token)
    with suppress(Unauthenticated):
        service.log_out(_desk(), access_id=verified_principal().session_id)
    _clear_cookies()


@bp.get("/api/v1/auth/users/<user_id>")
@requires_role(OPERATOR)
@bp.response(200, UserAdministrationSchema)
@bp.alt_response(404, "NOT_FOUND")
def show_user(user_id: str) -> User:
    """Describe a user."""
    return administration.get_user(_desk(), user_id)


@bp.post("/api/v1/auth/users/<user_id>/disable")
@requires_role(OPERATOR)
@bp.response(200, UserAdministrationSchema)
@bp.alt_response(404, "NOT_FOUND")
@bp.alt_response(409, "CONFLICT")
def disable_user(user_id: str) -> User:
    """End all sessions of a user, who can't sign in from now on; safe to repeat."""
    return administration.disable(_desk(), current_principal().subject, user_id)


@bp.post("/api/v1/auth/users/<user_id>/enable")
@requires_role(OPERATOR)
@bp.response(200, UserAdministrationSchema)
@bp.alt_response(404, "NOT_FOUND")
def enable_user(user_id: str) -> User:
    """Let a disabled user sign in again; safe to repeat."""
    return administration.enable(_desk(), current_principal().subject, user_id)


@bp.put("/api/v1/auth/users/<user_id>/roles")
@requires_role(OPERATOR)
@bp.arguments(RolesSchema)
@bp.response(200, UserAdministrationSchema)
@bp.alt_response(404, "NOT_FOUND")
@bp.alt_response(409, "CONFLICT")
def set_roles(body: dict[str, list[str]], user_id: str) -> User:
    """Give a user these roles and no others."""
    operator_id = current_principal().subject
    return administration.set_roles(_desk(), operator_id, user_id, body["roles"])


@bp.get("/.well-known/jwks.json")
@bp.response(200, KeySetSchema)
def show_key_set() -> tuple[dict[str, Any], dict[str, str]]:
    """List the public keys with which everybody can verify the tokens."""
    # Whoever keeps it in between may do so as long as the services themselves.
    seconds = int(settings_of(current_app).key_set_seconds)
    return _desk().key_ring.jwks(), {"Cache-Control": f"public, max-age={seconds}"}


@bp.get("/internal/revocations")
@bp.arguments(RevocationArguments, location="query")
@bp.response(200, RevocationListSchema)
def list_revocations(query: dict[str, int]) -> dict[str, object]:
    """List whose access has ended, for everybody who verifies tokens.

    An id is the `sid` of tokens that are refused although they have not expired.
    """
    return service.list_revocations(_desk(), query.get("since"))


@bp.post("/internal/tokens")
@bp.arguments(ClientCredentialsSchema)
@bp.response(200, TokenSchema)
@bp.alt_response(401, "UNAUTHORIZED")
def issue_service_token(credentials: dict[str, str]) -> AccessToken:
    """Give a service the token for its calls to other services."""
    return service.issue_service_token(_desk(), **credentials)


@bp.post("/internal/users/<user_id>/erase")
@requires_scope("users:erase")
@bp.response(204)
@bp.alt_response(409, "CONFLICT")
def erase_user(user_id: str) -> None:
    """Erase all that is known of a user; safe to repeat, and for whoever is unknown."""
    registration.erase(_desk(), user_id)
