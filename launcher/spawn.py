"""Turn a fork of this process into a service.

The order in the child matters: first it makes sure to end with its parent, then it lets go of what
it inherited, and only then does it accept signals and build the application.
"""

import contextlib
import ctypes
import gc
import importlib
import logging
import os
import signal
import socket
import sys
import traceback
from collections.abc import Iterable
from typing import Final, NoReturn, Protocol

from launcher.plan import GATEWAY, Service
from launcher.privacy import forget_foreign_secrets

# From linux/prctl.h.
PR_SET_PDEATHSIG: Final = 1
PR_SET_NAME: Final = 15


class Closeable(Protocol):
    """Hold a file that belongs to the launcher alone."""

    def close(self) -> None:
        """Close it."""
        ...


def spawn(
    service: Service, listener: socket.socket, inherited: Iterable[Closeable]
) -> tuple[int, int]:
    """Start a service, and return its process id and the file that carries its output.

    Args:
        service: what to start.
        listener: its listening socket, which stays open here for the next start.
        inherited: what the child has to close, because it is the launcher's or another child's.
    """
    launcher_pid = os.getpid()
    output, child_output = os.pipe()
    # No signal may reach the child while it still has the launcher's handlers.
    unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    pid = os.fork()
    if pid == 0:
        os.close(output)
        _become(service, listener, child_output, launcher_pid, unblocked, inherited)
    signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
    os.close(child_output)
    return pid, output


def end_with_parent(parent_pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Ask the kernel for a signal to this process when its parent dies, however that happens.

    Raises:
        SystemExit: when the parent has died already.
    """
    _prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent_pid:
        raise SystemExit(1)


def _become(
    service: Service,
    listener: socket.socket,
    output: int,
    parent_pid: int,
    unblocked: Iterable[int],
    inherited: Iterable[Closeable],
) -> NoReturn:
    status = 1
    try:
        end_with_parent(parent_pid)
        _detach(output, inherited)
        _reset_signals(unblocked)
        forget_foreign_secrets(service.name)
        _prctl(PR_SET_NAME, f"shop-{service.name}".encode()[:15])
        status = _run(service, listener, parent_pid)
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else 1
    except BaseException:  # noqa: BLE001 - nothing may unwind into the launcher's own frames.
        traceback.print_exc()
    finally:
        _leave(status)


def _leave(status: int) -> NoReturn:
    try:
        logging.shutdown()
        sys.stdout.flush()
    finally:
        # Not sys.exit: the frames and exit hooks below this one belong to the launcher.
        os._exit(status)


def _detach(output: int, inherited: Iterable[Closeable]) -> None:
    # A group of its own: Ctrl-C in the terminal is for the launcher, which then stops all in order.
    os.setpgid(0, 0)
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - a device, not a path of ours.
        os.dup2(nothing.fileno(), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    for item in inherited:
        item.close()
    # The interpreter chose how to buffer by looking at the launcher's output.
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)


def _reset_signals(unblocked: Iterable[int]) -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)


def _run(service: Service, listener: socket.socket, parent_pid: int) -> int:
    if service.name == GATEWAY:
        _execute(service, listener)
    gc.enable()
    serving = importlib.import_module("chassis.inbound.serving")
    application = importlib.import_module(service.package)
    threads = {"threads": service.threads} if service.threads else {}
    status: int = serving.serve(
        application.create_app, listener=listener, parent_pid=parent_pid, **threads
    )
    return status


def _execute(service: Service, listener: socket.socket) -> NoReturn:
    """Start a fresh interpreter: gevent has to patch before anything here was imported."""
    listener.set_inheritable(True)
    handed_over = {"SHOP_LISTEN_FD": str(listener.fileno()), "PYTHONUNBUFFERED": "1"}
    environ = {**os.environ, **handed_over}
    os.execve(sys.executable, [sys.executable, "-m", service.package], environ)  # noqa: S606


def _prctl(option: int, value: int | bytes) -> None:
    # Elsewhere than on Linux, the worker's own look at its parent each second has to do.
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
