"""Answer the two questions of an orchestrator: alive, and able to serve.

Pattern: Health check API (Richardson, Microservices Patterns, 11.3.1).
"""

import logging
from collections.abc import Callable

from flask import Flask, Response, current_app, jsonify

from chassis.errors import ServiceError

Check = Callable[[], None]

logger = logging.getLogger(__name__)


def init_app(app: Flask) -> None:
    """Serve ``/healthz`` and ``/readyz``."""
    app.extensions["readiness"] = {}
    app.add_url_rule("/healthz", "healthz", lambda: jsonify(status="ok"))
    app.add_url_rule("/readyz", "readyz", _readiness)


def add_readiness_check(app: Flask, name: str, check: Check) -> None:
    """Have ``check`` decide on readiness; it raises a :class:`ServiceError` to say no.

    Only what the service itself needs belongs here, not its neighbours: they have breakers.
    """
    app.extensions["readiness"][name] = check


def _readiness() -> tuple[Response, int]:
    failing = []
    for name, check in current_app.extensions["readiness"].items():
        try:
            check()
        except ServiceError as error:
            logger.warning("not ready: %s: %s", name, error)
            failing.append(name)
    if failing:
        return jsonify(status="unavailable", failing=failing), 503
    return jsonify(status="ready"), 200
