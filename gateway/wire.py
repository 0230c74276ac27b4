"""Speak HTTP/1.1 to one service over kept connections, leanly.

geventhttpclient's C parser (llhttp) reads the answers; its client is left out, because it retries
as often as its pool is large.  Answers are read whole, within a size and a time, so that whatever
breaks half-way can still be told to the client.  Sockets come from the standard library: gevent
has patched it where many requests share a thread.
"""

import socket
import ssl
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

# Private by its name, but the one way to the parser without the rest.
from geventhttpclient._parser import HTTPParseError, HTTPResponseParser

from chassis.config import ConfigError
from chassis.errors import BadUpstream, DeadlineExceeded
from chassis.outbound.retry import ConnectionLost, NotSent
from gateway.headers import Headers

CONNECT_SECONDS: Final = 0.25
# Services drop an idle connection after 65 s; the gateway comes first.
IDLE_SECONDS: Final = 55.0
MAX_HEAD_BYTES: Final = 64 * 1024
MAX_BODY_BYTES: Final = 4 * 1024 * 1024

# Takes what nobody wants, and keeps none of it.
_DISCARD: Final[Callable[[str], object]] = deque[str](maxlen=0).append


@dataclass(frozen=True, slots=True)
class Reply:
    """Hold the whole answer of a service."""

    status: int
    headers: Headers
    body: bytes


class _Parser(HTTPResponseParser):
    """Collect one answer, whose head has to come in one piece."""

    def __init__(self, method: str) -> None:
        super().__init__()
        self.begun = self.complete = False
        self.names: list[str] = []
        self.values: list[str] = []
        self.body = bytearray()
        self._to_head = method == "HEAD"
        self._on_header_field: Callable[[str], object] = self.names.append
        self._on_header_value: Callable[[str], object] = self.values.append
        self._on_status = _DISCARD

    def _on_message_begin(self) -> None:
        if self.begun:
            raise HTTPParseError("a second answer")
        self.begun = True

    def _on_headers_complete(self) -> bool:
        # Only trailers can follow.
        self._on_header_field = self._on_header_value = _DISCARD
        return self._to_head

    def _on_body(self, data: bytearray) -> None:
        self.body += data
        if len(self.body) > MAX_BODY_BYTES:
            raise HTTPParseError("too large")

    def _on_message_complete(self) -> None:
        self.complete = True


class Connections:
    """Keep connections to one service, and exchange requests for answers on them."""

    def __init__(self, base_url: str) -> None:
        """Open no connection yet.

        Raises:
            ConfigError: when the address is more or less than a scheme, a host and perhaps a port.
        """
        url = urlsplit(base_url)
        if url.scheme not in {"http", "https"} or not url.hostname or url.path.strip("/"):
            raise ConfigError(f"{base_url}: expected an address like http://host:port")
        self.host = url.netloc
        self._tls = ssl.create_default_context() if url.scheme == "https" else None
        self._address = (url.hostname, url.port or (443 if self._tls else 80))
        self._idle: deque[tuple[float, socket.socket]] = deque()

    def exchange(self, method: str, request: bytes, read_seconds: float, ends: float) -> Reply:
        """Send a request, head and body, and return its answer.

        ``read_seconds`` is the longest silence, and ``ends`` the moment of the monotonic clock at
        which the answer has to be complete.

        Raises:
            NotSent: when nobody accepted the connection.
            ConnectionLost: when it ended before an answer began.
            DeadlineExceeded: when the answer was not complete in time.
            BadUpstream: when it broke off, was too large or was no HTTP.
        """
        parser, reusable = _Parser(method), False
        connection = self._take_idle() or self._connect()
        try:
            connection.settimeout(read_seconds)
            sent = connection.send(request)
            if sent < len(request):
                connection.sendall(request[sent:])
            _receive(connection, parser, read_seconds, ends)
            # After an interim answer, the real one would be taken for that of the next request.
            reusable = parser.should_keep_alive() and parser.get_code() >= 200
        except TimeoutError:
            raise DeadlineExceeded from None
        except HTTPParseError as error:
            raise BadUpstream from error
        except OSError as error:
            raise (BadUpstream if parser.begun else ConnectionLost) from error
        finally:
            if reusable:
                self._idle.append((time.monotonic(), connection))
            else:
                connection.close()
        headers = list(zip(parser.names, parser.values, strict=True))
        return Reply(parser.get_code(), headers, bytes(parser.body))

    def _take_idle(self) -> socket.socket | None:
        while self._idle:
            since, connection = self._idle.pop()
            if time.monotonic() - since < IDLE_SECONDS and _is_quiet(connection):
                return connection
            connection.close()
        return None

    def _connect(self) -> socket.socket:
        try:
            connection = socket.create_connection(self._address, timeout=CONNECT_SECONDS)
            if self._tls:
                return self._tls.wrap_socket(connection, server_hostname=self._address[0])
        except TimeoutError:
            raise DeadlineExceeded from None
        except OSError as error:
            raise NotSent from error
        return connection


def _receive(connection: socket.socket, parser: _Parser, silence: float, ends: float) -> None:
    """Feed one answer to the parser: its head in one piece, its body as it comes."""
    head = b""
    while not parser.complete:
        remaining = ends - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        connection.settimeout(min(silence, remaining))
        data = connection.recv(MAX_HEAD_BYTES)
        if not parser.begun:
            head += data
            if not head:
                raise ConnectionResetError
            if data and b"\r\n\r\n" not in head:
                if len(head) > MAX_HEAD_BYTES:
                    raise HTTPParseError("too large")
                continue
            data = head
        # At the end of the stream, the parser complains unless the answer may end there.
        parser.feed(data)


def _is_quiet(connection: socket.socket) -> bool:
    """Tell whether an idle connection is open and has no answer that nobody asked for."""
    connection.settimeout(0)
    try:
        # Below TLS, whose own recv takes no flags.
        socket.socket.recv(connection, 1, socket.MSG_PEEK)
    except OSError as error:
        return isinstance(error, BlockingIOError)
    return False
