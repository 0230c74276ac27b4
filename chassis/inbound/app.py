"""Set up a Flask application the way every service has it."""

from typing import Any

from flask import Flask, Response, request
from werkzeug.routing import BaseConverter

from chassis import crash, tracing
from chassis import logging as chassis_logging
from chassis.clock import Clock, SystemClock
from chassis.config import ServiceConfig
from chassis.errors import CrossSiteRequest
from chassis.inbound import health, identity, metrics, problems
from chassis.inbound.bodies import MAX_BODY_BYTES
from chassis.inbound.cross_site import is_cross_site
from chassis.inbound.keyset import KeySet
from chassis.inbound.tokens import TokenVerifier
from chassis.outbound import deadline

AUDIENCE = "shop"

# What is looked at before a route; names of headers come in any case.
_HEADERS = (
    *(tracing.REQUEST_ID_HEADER, "traceparent", deadline.HEADER),
    *("Authorization", "Host", "Origin", "Sec-Fetch-Site"),
)


class IdConverter(BaseConverter):
    """Match ids that fit a 32-bit column: plain digits, no sign, no leading zero."""

    regex = r"[1-9][0-9]{0,8}"

    def to_python(self, value: str) -> int:
        """Return the number."""
        return int(value)


def create_flask(
    import_name: str,
    config: ServiceConfig,
    *,
    key_set: KeySet | None = None,
    clock: Clock | None = None,
) -> Flask:
    """Return an application with everything that is not the service's own business.

    Args:
        import_name: the package of the service.
        config: its settings.
        key_set: the keys for tokens; without it no route may ask for an identity.
        clock: the time, for the lives of tokens.
    """
    clock = clock or SystemClock()
    chassis_logging.configure(config)
    crash.arm(config.crash_point)
    app = Flask(import_name, static_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=MAX_BODY_BYTES, SERVICE_CONFIG=config)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = False
    app.url_map.converters["id"] = IdConverter
    app.before_request(_begin)
    problems.init_app(app)
    metrics.init_app(app)
    health.init_app(app)
    if key_set:
        verifier = TokenVerifier(key_set, issuer=config.issuer, audience=AUDIENCE, clock=clock)
        identity.init_app(app, verifier)
    app.after_request(_complete)
    return app


def _begin() -> None:
    headers = {name: value for name in _HEADERS if (value := request.headers.get(name))}
    tracing.begin(headers)
    deadline.begin(headers)
    if is_cross_site(request.method, headers):
        raise CrossSiteRequest("Browsers may only send this from the same site.")


def _complete(response: Response) -> Response:
    trace = tracing.current()
    if trace:
        response.headers[tracing.REQUEST_ID_HEADER] = trace.request_id
    # What a route does not declare cacheable belongs to somebody.
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def settings_of(app: Flask) -> Any:
    """Return the frozen configuration that the application was made with."""
    return app.config["SERVICE_CONFIG"]
