"""Serve the gateway: ``python -m gateway``."""

# gevent has to patch the standard library before anything imports ssl.
from gevent import monkey  # type: ignore[import-untyped]  # It has no annotations.

monkey.patch_all()

import sys  # noqa: E402 - after the patching.
from typing import Any  # noqa: E402

from chassis.config import environment  # noqa: E402
from chassis.inbound.serving import serve  # noqa: E402
from gateway.app import create_app  # noqa: E402
from gateway.worker import GatewayWorker  # noqa: E402

SETTINGS: dict[str, Any] = {
    "limit_request_fields": 100,
    "limit_request_field_size": 8192,
    # It would overtake the head of an answer, which waits for the body.
    "sendfile": False,
    # Whom the application believes about the client, gunicorn believes about the scheme.
    "forwarded_allow_ips": environment().get("TRUSTED_PROXIES", ""),
}

if __name__ == "__main__":
    sys.exit(serve(create_app, worker=GatewayWorker, **SETTINGS))
