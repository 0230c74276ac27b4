"""Choose which headers cross the gateway, in both directions.

What strangers send is allow-listed: a header that is not named here never reaches a service, so
that nobody can claim an identity or an address, and a ``Connection`` header has nothing to name
that it could remove.  What services answer is passed on, minus what is the gateway's to say.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

Headers = list[tuple[str, str]]

_END_TO_END: Final = (
    "Accept", "Accept-Language", "Content-Encoding", "Idempotency-Key", "If-Match",
    "If-Modified-Since", "If-None-Match", "Prefer", "Range", "Tracestate", "User-Agent",
    "Webhook-Signature",
)  # fmt: skip

SECURITY: Final = {
    "Content-Security-Policy": "default-src 'self'; object-src 'none'; base-uri 'none'; "
    "frame-ancestors 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
# Two years, as the preload list of browsers asks for.
HSTS: Final = {"Strict-Transport-Security": "max-age=63072000; includeSubDomains"}

# For one connection only (RFC 9110, section 7.6.1), or said by the gateway itself.
_DROPPED: Final = frozenset({
    "connection", "content-length", "date", "keep-alive", "proxy-authenticate", "proxy-connection",
    "server", "te", "trailer", "transfer-encoding", "upgrade", "via", "x-powered-by",
    "x-request-id", *(name.lower() for name in SECURITY | HSTS),
})  # fmt: skip
_DROPPED_PRIVATE: Final = _DROPPED | {"cache-control"}


@cache
def wsgi_key(name: str) -> str:
    """Return the key of a header in a WSGI environment."""
    return f"HTTP_{name.upper().replace('-', '_')}"


_PASSED_ON: Final = [("CONTENT_TYPE", "Content-Type"), *((wsgi_key(n), n) for n in _END_TO_END)]
_PARTIAL: Final = {"If-Match", "If-Modified-Since", "If-None-Match", "Range"}
_PASSED_ON_WHOLE: Final = [pair for pair in _PASSED_ON if pair[1] not in _PARTIAL]


def security_headers(*, production: bool) -> Headers:
    """Return what every answer carries; browsers are told to insist on TLS in production."""
    return list((SECURITY | HSTS if production else SECURITY).items())


def passed_on(environ: Mapping[str, Any], *, whole: bool = False) -> Headers:
    """Return the headers of a request that a service may see.

    ``whole`` leaves out those that ask for less than the whole answer, which others may want.
    """
    names = _PASSED_ON_WHOLE if whole else _PASSED_ON
    return [(name, environ[key]) for key, name in names if key in environ]


def passed_back(headers: Iterable[tuple[str, str]], *, private: bool, cookies: bool) -> Headers:
    """Return the headers of an answer that the client may see.

    Args:
        headers: as the service sent them.
        private: the answer belongs to one person, whatever the service says about storing it.
        cookies: the service may set cookies.
    """
    dropped = _DROPPED_PRIVATE if private else _DROPPED
    kept = [
        (name, value)
        for name, value in headers
        if (lower := name.lower()) not in dropped
        and not lower.startswith("access-control-")
        and (cookies or lower != "set-cookie")
    ]
    return [*kept, ("Cache-Control", "no-store")] if private else kept
