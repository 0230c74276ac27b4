"""Serve one application with gunicorn, under an arbiter or directly in this process.

The names in lower case below are gunicorn's own settings, so that a container runs
``gunicorn -c python:chassis.inbound.serving "services.greetings:create_app()"``.  :func:`serve`
runs a single worker with the same settings and without the arbiter, for whoever supervises
processes itself.  Gunicorn is imported late, so that gevent can patch the standard library first.
"""

import importlib
import logging
import os
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from chassis.config import EXIT_CONFIG, ConfigError, Settings, setting

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

LISTEN_FD: Final = "SHOP_LISTEN_FD"
"""Variable that hands a started process its listening socket, as a file descriptor."""


def count(text: str) -> int:
    """Read a whole number above zero.

    Raises:
        ValueError: when it is none.
    """
    number = int(text)
    if number < 1:
        raise ValueError("expected a whole number above 0")
    return number


@dataclass(frozen=True, kw_only=True)
class ServingConfig(Settings):
    """Hold where and how wide a process serves."""

    host: str = setting("HOST", default="127.0.0.1", doc="address to listen on")
    port: int = setting("PORT", default=8000, parse=count, doc="port to listen on")
    threads: int = setting(
        "WEB_THREADS", default=8, parse=count, doc="requests that a process serves at once"
    )


_config = ServingConfig.from_environ()

bind = [f"{f'[{_config.host}]' if ':' in _config.host else _config.host}:{_config.port}"]
workers = 1
worker_class = "gthread"
threads = _config.threads
# Longer than the 60 s after which pooled clients drop an idle connection, so that they close first.
keepalive = 65
# Kubernetes, platforms and the launcher kill 10 s after the signal or later.
graceful_timeout = 8
# A little more than the gateway lets through, because it adds headers of its own.
limit_request_line = 8190
limit_request_fields = 120
limit_request_field_size = 12288
# No proxy is believed here: who the client is gets decided at the gateway.
forwarded_allow_ips = ""
control_socket_disable = True
# The heartbeat file must not live on a disk that can stall.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - no fixed name.


def on_starting(arbiter: Any) -> None:
    """Have gunicorn say a refused configuration in its own words, and end with its status."""
    load: Callable[[], WSGIApplication] = arbiter.app.wsgi
    refusal = importlib.import_module("gunicorn.errors").AppImportError

    def load_or_refuse() -> "WSGIApplication":
        try:
            return load()
        except ConfigError as error:
            # The one error of a worker that is said without a traceback.
            raise refusal(str(error)) from error

    arbiter.app.wsgi = load_or_refuse
    # Workers end with it when that happens; any other status would have them started again.
    arbiter.APP_LOAD_ERROR = EXIT_CONFIG


def post_worker_init(_worker: object) -> None:
    """Hand gunicorn's own messages to the logging that the application has set up."""
    if logging.getLogger().handlers:
        log = logging.getLogger("gunicorn.error")
        log.handlers.clear()
        log.propagate = True


def serve(
    load: "Callable[[], WSGIApplication]",
    *,
    listener: socket.socket | None = None,
    parent_pid: int | None = None,
    worker: type[Any] | None = None,
    **overrides: object,
) -> int:
    """Serve one application in this process until SIGTERM, and return the exit status.

    The process ends within seconds when its parent does.

    Args:
        load: makes the application.
        listener: a listening socket; else the one in ``SHOP_LISTEN_FD``; else one is opened at
            ``HOST`` and ``PORT``.
        parent_pid: whose end is ours too, when that may have come before this call.
        worker: a gunicorn worker class instead of the threaded one.
        overrides: gunicorn settings that differ from this module's.
    """
    try:
        # Before gunicorn takes over the signals: a stop need not wait until this is done.
        application = load()
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_CONFIG
    config = _gunicorn_config(overrides)
    log = importlib.import_module("gunicorn.glogging").Logger(config)
    create_sockets = importlib.import_module("gunicorn.sock").create_sockets
    sockets = create_sockets(config, log, fds=_handed_over(listener))
    worker_type = worker or importlib.import_module("gunicorn.workers.gthread").ThreadWorker
    worker_type(
        0,
        parent_pid or os.getppid(),
        sockets,
        SimpleNamespace(wsgi=lambda: application),
        config.timeout,
        config,
        log,
    ).init_process()
    return 0


def _gunicorn_config(overrides: dict[str, object]) -> Any:
    config = importlib.import_module("gunicorn.config").Config()
    for name, value in {**globals(), **overrides}.items():
        if name in config.settings:
            config.set(name, value)
    return config


def _handed_over(listener: socket.socket | None) -> list[int]:
    if listener is not None:
        return [listener.detach()]
    descriptor = os.environ.pop(LISTEN_FD, "")
    return [int(descriptor)] if descriptor else []
