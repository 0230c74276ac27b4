"""Ask a service ``GET /readyz`` until it can serve.

Its listening socket is open before it runs, so the question waits in the queue and is answered the
moment the service is up: there is nothing to poll.
"""

import contextlib
import socket
from collections.abc import Callable
from typing import Final

from launcher.loop import READ, Loop
from launcher.plan import LOOPBACK, Service

RETRY_SECONDS: Final = 0.1
QUESTION: Final = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
ANYWHERE: Final = {"0.0.0.0": LOOPBACK, "::": "::1", "": LOOPBACK}  # noqa: S104 - read, not bound.


class ReadinessProbe:
    """Call back once, when one service is ready."""

    def __init__(self, service: Service, loop: Loop, on_ready: Callable[[], object]) -> None:
        self._address = (ANYWHERE.get(service.host, service.host), service.port)
        self._loop = loop
        self._on_ready = on_ready
        self._connection: socket.socket | None = None
        self._cancelled = False

    def ask(self) -> None:
        """Send the question; the answer, or the next try, comes through the loop."""
        if self._cancelled:
            return
        try:
            # On this machine, with the socket listening, connecting takes microseconds.
            self._connection = socket.create_connection(self._address, timeout=1.0)
            self._connection.sendall(QUESTION)
        except OSError:
            self._try_again()
            return
        self._connection.settimeout(0)
        self._loop.watch(self._connection.fileno(), READ, self._hear)

    def cancel(self) -> None:
        """Stop asking; safe to call twice."""
        self._cancelled = True
        self.close()

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._loop.unwatch(self._connection.fileno())
            self._connection.close()
            self._connection = None

    def _hear(self) -> None:
        answer = b""
        if self._connection is not None:
            with contextlib.suppress(OSError):
                answer = self._connection.recv(4096)
        self.close()
        if _says_ready(answer):
            self._on_ready()
        else:
            self._try_again()

    def _try_again(self) -> None:
        self._loop.call_later(RETRY_SECONDS, self.ask)


def _says_ready(answer: bytes) -> bool:
    """Tell whether the status line has a status below 500.

    A refusal such as 400, for a Host that production doesn't allow, shows a service that works.
    """
    status = answer[9:12]
    return answer.startswith(b"HTTP/1.") and status.isdigit() and int(status) < 500
