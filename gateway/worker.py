"""Run the gateway on gunicorn's gevent worker, with deadlines for slow clients.

Gunicorn's gevent worker waits for ever for the rest of a request, and answers what it can't parse
with a page of its own.  Here every connection has to get on, and every answer looks the same.
"""

import errno
import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any, ClassVar, Final
from weakref import WeakSet

# Neither of the two has annotations.
from gevent import Timeout, socket  # type: ignore[import-untyped]
from gunicorn.http import errors, wsgi  # type: ignore[import-untyped]
from gunicorn.workers.ggevent import GeventWorker  # type: ignore[import-untyped]

from chassis import tracing
from chassis.errors import Malformed, ServiceError
from chassis.inbound.app import settings_of
from chassis.inbound.bodies import MAX_BODY_BYTES
from gateway.edge import STATUS_LINES, refuse
from gateway.errors import HeadersTooLarge, URITooLong
from gateway.headers import security_headers

# A little less than the 10 and 30 s that are promised, for the way there and back.
HEAD_SECONDS: Final = 9.5
BODY_SECONDS: Final = 29.5
WRITE_SECONDS: Final = 30.0
# Longer than the 60 s after which load balancers give up an idle connection.
KEEP_ALIVE_SECONDS: Final = 75.0
LINGER_SECONDS: Final = 2.0

logger = logging.getLogger(__name__)

# Gunicorn has no setting for the name that it puts into every answer.
wsgi.SERVER = "potion-shop"


class ClientConnection(socket.socket):  # type: ignore[misc]
    """Give a client so long for the head of a request, so long for its body, and no longer."""

    def __init__(self, accepted: socket.socket) -> None:
        """Take over an accepted connection; its first request is due at once."""
        super().__init__(fileno=accepted.detach())
        self.lingers = False
        self.idle = True
        self._head = b""
        self._due = time.monotonic() + HEAD_SECONDS

    def expect(self, seconds: float, *, idle: bool) -> None:
        """Have the next bytes due: those of the body at hand, or when idle of another request."""
        self.idle = idle
        self._due = time.monotonic() + seconds

    def recv(self, *args: Any) -> bytes:
        """Return what the client has sent.

        Raises:
            ConnectionResetError: when it has not sent enough by now.
        """
        self.settimeout(max(0.001, self._due - time.monotonic()))
        data: bytes = _in_time(super().recv, *args)
        if self.idle:
            self.expect(HEAD_SECONDS, idle=False)
        return data

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send a piece of an answer, and its head together with the piece that follows.

        Raises:
            ConnectionResetError: when the client does not take it.
        """
        if data[-4:] == b"\r\n\r\n" and data[:5] == b"HTTP/":
            # Gunicorn sends the body apart, and each packet costs as much as a short body.
            self._head += data
            return
        data, self._head = self._head + data, b""
        self.settimeout(WRITE_SECONDS)
        sent = _in_time(self.send, data, flags)
        if sent < len(data):
            # Of a small answer nothing is left, and this would first ask for the buffer's size.
            _in_time(super().sendall, data[sent:], flags)

    def flush(self) -> None:
        """Send the head of an answer that has no body."""
        if self._head:
            self.sendall(b"")

    def hang_up(self) -> None:
        """End what is read from here, under the nose of whoever is reading."""
        self._sock.shutdown(socket.SHUT_RD)

    def close(self) -> None:
        """Close, after the client had a chance to read why: a reset would overtake the answer."""
        if self.lingers:
            self.lingers = False
            with suppress(OSError), Timeout(LINGER_SECONDS, exception=False):
                self.shutdown(socket.SHUT_WR)
                while super().recv(65536):
                    pass
        super().close()


class GatewayWorker(GeventWorker):  # type: ignore[misc]
    """Serve many connections in one thread, and none of them for ever."""

    connections: ClassVar[WeakSet[ClientConnection]] = WeakSet()

    def timeout_ctx(self) -> AbstractContextManager[None]:
        """Leave deadlines to the connection, which knows what it waits for."""
        return nullcontext()

    def handle_exit(self, sig: int, frame: object) -> None:
        """Stop; nobody need wait for connections that only might bring another request."""
        super().handle_exit(sig, frame)
        for connection in self.connections:
            if connection.idle:
                connection.hang_up()

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """Serve one connection."""
        connection = ClientConnection(client)
        self.connections.add(connection)
        super().handle(listener, connection, addr)

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> None:
        """Serve one request."""
        sock.expect(BODY_SECONDS, idle=False)
        fields = dict(req.headers)
        if "TRANSFER-ENCODING" in fields or int(fields.get("CONTENT-LENGTH", 0)) > MAX_BODY_BYTES:
            # Reading the rest only to find the next request might have no end.
            req.force_close()
            sock.lingers = True
        try:
            super().handle_request(listener_name, req, sock, addr)
        finally:
            sock.flush()
        sock.expect(KEEP_ALIVE_SECONDS if self.alive else 0, idle=True)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer what could not be parsed like everything else that is refused."""
        tracing.begin({})
        reply = refuse(_refusal(exc))
        headers = [*reply.headers, *security_headers(production=settings_of(self.wsgi).production)]
        headers += [("Connection", "close"), ("Content-Length", str(len(reply.body)))]
        lines = [f"HTTP/1.1 {STATUS_LINES[reply.status]}", *(f"{n}: {v}" for n, v in headers)]
        client.lingers = True
        with suppress(OSError):
            client.sendall("\r\n".join([*lines, "\r\n"]).encode() + reply.body)


def _in_time(call: Callable[..., Any], *args: Any) -> Any:
    try:
        return call(*args)
    except TimeoutError:
        # Gunicorn passes over resets in silence; anything else would fill the log.
        raise ConnectionResetError(errno.ECONNRESET, "the client is too slow") from None


def _refusal(exc: BaseException) -> ServiceError:
    if isinstance(exc, errors.LimitRequestLine):
        return URITooLong()
    if isinstance(exc, errors.LimitRequestHeaders):
        return HeadersTooLarge()
    if isinstance(exc, errors.ParseException):
        return Malformed()
    logger.error("a connection failed", exc_info=exc)
    return ServiceError("The failure was logged under this request id.")
