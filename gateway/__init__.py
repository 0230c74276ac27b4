"""Let the public in: routes, token checks, limits, and a circuit breaker per service.

Pattern: API gateway (Richardson, Microservices Patterns, chapter 8).  Requests for services take
the short way through :mod:`gateway.edge`, a thin WSGI layer; Flask serves the gateway's own pages.
"""

from typing import Any


def create_app(config: Any = None, **parts: Any) -> Any:
    """Return the application; see :func:`gateway.app.create_app`."""
    # Late, so that ``python -m gateway`` can let gevent patch the standard library first.
    from gateway import app  # noqa: PLC0415

    return app.create_app(config, **parts)
