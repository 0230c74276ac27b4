"""Import once what all services need, so that forked children share it."""

import gc
import importlib
import sys
from collections.abc import Callable, Iterable
from typing import Final

SERVING: Final = (
    "chassis.inbound.serving",
    "gunicorn.glogging",
    "gunicorn.sock",
    "gunicorn.workers.gthread",
)
"""What each child uses to serve."""

LAZY: Final = {
    "chassis.logging": "pythonjsonlogger.json",
    "sqlalchemy": "sqlalchemy.dialects.sqlite",
}
"""What a library imports only when it is first used, so that each child would do it for itself."""


def warm_up(packages: Iterable[str], meanwhile: Callable[[], object] = lambda: None) -> None:
    """Import the services' packages and keep the collector's hands off everything made so far.

    Args:
        packages: the packages of the services that will be forked.
        meanwhile: called between imports, which together take about a second.
    """
    # A collection would write to every object's header, and so unshare its page.
    gc.disable()
    for name in (*packages, *SERVING):
        importlib.import_module(name)
        meanwhile()
    for library, late in LAZY.items():
        if library in sys.modules:
            importlib.import_module(late)
    if "sqlalchemy.orm" in sys.modules:
        # Saves each child that has a database 1.6 MB; no database is needed for it.
        importlib.import_module("sqlalchemy.orm").configure_mappers()
    sys.stdout.flush()
    gc.collect()
    gc.freeze()
