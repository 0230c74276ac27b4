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
    app.extensions.update(readiness={}, unready={})
    app.add_url_rule("/healthz", "healthz", lambda: jsonify(status="ok"))
    app.add_url_rule("/readyz", "readyz", _readiness)


def add_readiness_check(app: Flask, name: str, check: Check) -> None:
    """Have ``check`` decide on readiness; it raises a :class:`ServiceError` to say no.

    Only what the service itself needs belongs here, not its neighbours: they have breakers.
    """
    app.extensions["readiness"][name] = check


def note(app: Flask, name: str, reason: str) -> None:
    """Log why a check says no, once until it says something else; without a reason it says yes.

    Whoever waits for a service asks many times a second.
    """
    before = app.extensions["unready"].get(name, "")
    app.extensions["unready"][name] = reason
    if reason and reason != before:
        logger.warning("not ready: %s: %s", name, reason)


def _readiness() -> tuple[Response, int]:
    failing = []
    for name, check in current_app.extensions["readiness"].items():
        try:
            check()
        except ServiceError as error:
            note(current_app, name, str(error))
            failing.append(name)
        else:
            note(current_app, name, "")
    if failing:
        return jsonify(status="unavailable", failing=failing), 503
    return jsonify(status="ready"), 200
