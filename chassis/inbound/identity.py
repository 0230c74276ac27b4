"""Ask who calls, before a route does anything else.

The bearer header wins over the cookie ``token``.  No header that merely claims an identity is
ever read.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol, cast

from flask import Flask, current_app, g, request

from chassis.errors import Forbidden, MissingToken, Unauthenticated
from chassis.inbound.tokens import Principal, TokenVerifier

View = Callable[..., Any]


class Headers(Protocol):
    """Hold the headers of a request."""

    def get(self, name: str, /) -> str | None:
        """Return a header, None when there is no such."""


def init_app(app: Flask, verifier: TokenVerifier) -> None:
    """Let the routes of the application ask for identities."""
    app.extensions["token_verifier"] = verifier


def cookie_name(*, production: bool) -> str:
    """Return the cookie that holds the token.

    In production only the prefixed one is read: no other host of the domain can plant it.
    """
    return "__Host-token" if production else "token"


def token_of(headers: Headers, cookie: str) -> str:
    """Return the token that a request carries in its header, or else in the named cookie.

    Raises:
        MissingToken: there is none.
        Unauthenticated: the header is no bearer header, or the cookie comes twice.
    """
    header = headers.get("Authorization")
    if header is not None:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated
        return token
    kept = cookie_of(headers, cookie)
    if kept is None:
        raise MissingToken("Sign in, and send the token as a cookie or a bearer header.")
    return kept


def cookie_of(headers: Headers, name: str) -> str | None:
    """Return a cookie of a request, None when there is no such.

    Raises:
        Unauthenticated: it comes twice, so that one was planted.
    """
    values = cookies_of(headers, name)
    if len(values) > 1:
        raise Unauthenticated
    return values[0] if values else None


def cookies_of(headers: Headers, name: str) -> list[str]:
    """Return all cookies of a name."""
    # Werkzeug's reading of all cookies, their quoting included, costs a tenth of a request.
    pairs = [pair.strip().partition("=") for pair in (headers.get("Cookie") or "").split(";")]
    return [value for each, _, value in pairs if each == name]


def current_principal() -> Principal:
    """Return whom the request speaks for, in a route that requires it."""
    return cast("Principal", g.principal)


def verified_principal() -> Principal:
    """Return whom the token of the request speaks for.

    Raises:
        Unauthenticated: there is no token, or none that can be used.
        Unavailable: there is no trusted key set to check it with.
    """
    verifier: TokenVerifier = current_app.extensions["token_verifier"]
    cookie = cookie_name(production=current_app.config["SERVICE_CONFIG"].production)
    return verifier.verify(token_of(request.headers, cookie))


def requires_user(view: View) -> View:
    """Let only signed-in people call a route."""
    return _guard(view, _check_person)


def requires_role(role: str) -> Callable[[View], View]:
    """Let only people with a role call a route."""

    def allow(principal: Principal) -> None:
        _check_person(principal)
        if role not in principal.roles:
            raise Forbidden(f"This needs the role '{role}'.")

    return lambda view: _guard(view, allow)


def requires_scope(scope: str) -> Callable[[View], View]:
    """Let only services that were granted a scope call a route."""

    def allow(principal: Principal) -> None:
        if scope not in principal.scopes:
            raise Forbidden(f"This needs the scope '{scope}'.")

    return lambda view: _guard(view, allow)


def _check_person(principal: Principal) -> None:
    if principal.is_service:
        raise Unauthenticated


def _guard(view: View, allow: Callable[[Principal], None]) -> View:
    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        g.principal = verified_principal()
        allow(g.principal)
        return view(*args, **kwargs)

    # flask-smorest reads what the documentation says from the function itself.
    documented = getattr(view, "_apidoc", {})
    manual = {**documented.get("manual_doc", {}), "security": [{"bearer": []}]}
    guarded._apidoc = {**documented, "manual_doc": manual}  # type: ignore[attr-defined] # noqa: SLF001
    return guarded
