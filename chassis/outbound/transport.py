"""Send one request over HTTP and read all of its answer, within a time and a size.

``requests`` bounds the wait for each piece of an answer, but neither the sum of the waits nor the
size: a callee that drips a byte a second holds its caller for ever.  So the socket is read through
a file object that keeps both limits, in headers and body alike.  Looking up a name is not bounded.

Breakers, retries and tokens are no concern of this module; it names what went wrong.
"""

import io
import socket
import time
from http.client import HTTPException, HTTPResponse
from typing import Any

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError, ProtocolError, ReadTimeoutError

from chassis.errors import BadUpstream, DeadlineExceeded, ServiceError
from chassis.outbound.retry import ConnectionLost, NotSent

MAX_ANSWER_BYTES = 8 * 1024 * 1024


class _BoundedReader(io.RawIOBase):
    """Read one answer from a socket; the timeout of the socket bounds the whole of it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._stream = sock.makefile("rb", buffering=0)
        self._timeout = sock.gettimeout() or 0.0
        # Sockets wait in real time, so an injected clock has no place here.
        self._ends_at = time.monotonic() + self._timeout
        self._bytes_left = MAX_ANSWER_BYTES

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Play the socket towards ``http.client``."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """Let the buffer above read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what has come, or wait for it as long as the whole answer may still take."""
        remaining = self._ends_at - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        self._sock.settimeout(remaining)
        count = self._stream.readinto(buffer) or 0
        self._bytes_left -= count
        if self._bytes_left < 0:
            # Like any other failure to read, it makes urllib3 close the connection.
            raise OSError(f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
        return count

    def close(self) -> None:
        """Leave the socket as it was found, for the next request on the kept connection."""
        if not self.closed:
            self._sock.settimeout(self._timeout)
            self._stream.close()
        super().close()


class _BoundedResponse(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        reader: Any = _BoundedReader(sock)
        super().__init__(reader, *args, **kwargs)


class _Connection(HTTPConnection):
    response_class = _BoundedResponse


class _TLSConnection(HTTPSConnection):
    response_class = _BoundedResponse


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class _BoundedAdapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}


def open_transport(pool_size: int) -> BaseAdapter:
    """Return a transport that keeps up to ``pool_size`` connections, and nothing else.

    It is the lower half of a ``requests`` session.  The upper half would keep one user's cookies
    for the next user's call, follow redirects, and look for proxies and .netrc in the environment.
    """
    return _BoundedAdapter(pool_maxsize=pool_size)


def exchange(
    transport: BaseAdapter, request: requests.PreparedRequest, timeout: tuple[float, float]
) -> requests.Response:
    """Send the request and return the answer with its body read.

    ``timeout`` is the seconds until the connection stands, and from there to the answer's end.

    Raises:
        NotSent: when nobody accepted the connection.
        ConnectionLost: when it ended before an answer began.
        DeadlineExceeded: when the answer was not complete in time.
        BadUpstream: when it broke off, was too large, encoded, or no HTTP.
    """
    try:
        with transport.send(request, timeout=timeout, stream=True) as response:
            if "Content-Encoding" in response.headers:
                raise BadUpstream("The answer is encoded though that was not asked for.")
            response.content  # noqa: B018 - reads the body and keeps it.
    except requests.RequestException as error:
        raise _failure_of(error) from error
    return response


def _failure_of(error: requests.RequestException) -> ServiceError:
    # requests wraps urllib3's error, which wraps what the socket or http.client raised.
    wrapped = next(iter(error.args), None)
    cause = getattr(wrapped, "reason", wrapped)
    origin = cause.args[-1] if isinstance(cause, ProtocolError) else cause
    if isinstance(error, requests.Timeout) or isinstance(origin, ReadTimeoutError | TimeoutError):
        return DeadlineExceeded()
    if isinstance(cause, NewConnectionError):
        return NotSent()
    # http.client takes silence for a bad status line, but raises a ConnectionError for it.
    rubbish = isinstance(origin, HTTPException) and not isinstance(origin, ConnectionError)
    if isinstance(error, requests.ConnectionError) and not rubbish:
        return ConnectionLost()
    return BadUpstream("The answer broke off, was too large or was no HTTP.")
