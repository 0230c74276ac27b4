"""Make sure, before anything starts, that the shop has its folder and its ports."""

import errno
import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from contracts.topology import PORT_OFFSETS
from launcher.errors import DataFolderInUse, DataFolderUnusable, PortTaken, PortUnusable
from launcher.plan import Plan, Service

BACKLOG: Final = 1024
# Below Linux's range for outgoing connections, which could otherwise take one of the ports.
FREE_PORTS: Final = range(20000, 31000, 20)
ATTEMPTS: Final = 50


def prepare_folder(path: Path) -> None:
    """Make the data folder, and write and remove a file in it as proof.

    Raises:
        DataFolderUnusable: when either fails.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise DataFolderUnusable(
            f"The data folder {path} can't be written ({os.strerror(error.errno or 0)}): "
            "make it writable for this user, or name another one in SHOP_DATA_DIR."
        ) from error


def claim_data(path: Path, services: Iterable[str]) -> ExitStack:
    """Keep other launchers off the data of these services until the returned stack is closed.

    Raises:
        DataFolderInUse: when one runs on it already.
    """
    # Not beside the run files: a lock file that is deleted can be held by two.
    folder = path / "lock"
    folder.mkdir(exist_ok=True)
    claims = ExitStack()
    for service in services:
        claim = claims.enter_context((folder / service).open("w"))
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            claims.close()
            raise DataFolderInUse(
                f"Another launcher runs {service} on the data folder {path}: stop that one, or "
                "give this one a folder of its own with SHOP_DATA_DIR=…."
            ) from error
    return claims


def open_listeners(plan: Plan) -> tuple[Plan, dict[str, socket.socket]]:
    """Listen for every service, so that no connection is lost while one restarts.

    Returns the plan with the ports that are really used, which differ when it asks for free ones.

    Raises:
        PortTaken: when another program listens on one of the ports.
        PortUnusable: when an address or port can't be had for another reason.
    """
    if plan.port:
        return plan, _listen_for_all(plan)
    for port in random.sample(FREE_PORTS, ATTEMPTS):
        moved = plan.at(port)
        try:
            return moved, _listen_for_all(moved)
        except PortTaken:
            continue
    raise PortTaken("No free row of ports was found: name one with PORT=….")


def _listen_for_all(plan: Plan) -> dict[str, socket.socket]:
    listeners: dict[str, socket.socket] = {}
    try:
        for service in plan.services:
            listeners[service.name] = _listen(service)
    except OSError as error:
        for listener in listeners.values():
            listener.close()
        raise _explained(error, service, plan.port) from error
    return listeners


def _listen(service: Service) -> socket.socket:
    family = socket.AF_INET6 if ":" in service.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((service.host, service.port))
        listener.listen(BACKLOG)
        listener.settimeout(0)
    except OSError:
        listener.close()
        raise
    return listener


def _explained(error: OSError, service: Service, base: int) -> PortTaken | PortUnusable:
    if error.errno == errno.EADDRINUSE:
        row = f"PORT={base + 100 if base < 60000 else 8000}"
        return PortTaken(
            f"Port {service.port}, which {service.name} needs, is taken: stop the program that "
            f"listens there, or move the shop with {row} (it uses PORT to "
            f"PORT+{max(PORT_OFFSETS.values())})."
        )
    reason = error.strerror or str(error)
    return PortUnusable(
        f"{service.name} can't listen on {service.host} port {service.port} ({reason}): "
        "choose others with HOST and PORT."
    )
