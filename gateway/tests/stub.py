"""Stand in for a service behind the gateway: note exactly what arrives, and answer as told."""

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

Behaviour = Callable[["Exchange"], None]


@dataclass
class Received:
    """Hold one request as it came over the wire."""

    method: str
    target: str
    fields: list[tuple[str, str]]
    body: bytes

    def get(self, name: str) -> str | None:
        values = [value for key, value in self.fields if key.lower() == name.lower()]
        assert len(values) < 2, f"{name} came more than once"
        return values[0] if values else None

    @property
    def names(self) -> set[str]:
        return {name.lower() for name, _ in self.fields}


@dataclass
class Exchange:
    """Hold a request and the connection that waits for its answer."""

    request: Received
    connection: socket.socket

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def reset(self) -> None:
        linger_for_no_time = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_for_no_time)
        raise ConnectionAbortedError


def answer(status=200, body=None, *, headers=(), media_type="application/json") -> bytes:
    """Return an answer with the right framing; a body that is no text becomes JSON."""
    text = body if isinstance(body, str) else json.dumps({} if body is None else body)
    fields = [("Content-Type", media_type), ("Content-Length", str(len(text))), *headers]
    head = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return f"HTTP/1.1 {status} Whatever\r\n{head}\r\n{text}".encode()


def problem(status: int, code: str) -> bytes:
    return answer(status, {"code": code, "status": status}, media_type="application/problem+json")


@dataclass
class Stub:
    """Listen on a free port of loopback; ``behaviour`` is bytes to send, or what to do."""

    behaviour: bytes | Behaviour = field(default_factory=answer)
    pages: dict[str, bytes] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._open: set[socket.socket] = set()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def last(self) -> Received:
        return self.received[-1]

    def close(self) -> None:
        # A mere close would leave the thread in accept.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop_connections()

    def drop_connections(self) -> None:
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as stream:
                while request := _read(stream):
                    known = self.pages.get(request.target)
                    if known is None:
                        self.received.append(request)
                    behaviour = known or self.behaviour
                    if isinstance(behaviour, bytes):
                        head, end, body = behaviour.partition(b"\r\n\r\n")
                        connection.sendall(head + end + (b"" if request.method == "HEAD" else body))
                    else:
                        behaviour(Exchange(request, connection))
        except OSError:
            pass  # The gateway gave up, or the test is over.
        finally:
            self._open.discard(connection)


def _read(stream) -> Received | None:
    line = stream.readline().decode("latin-1").split()
    if not line:
        return None
    fields = []
    while (header := stream.readline().decode("latin-1").rstrip("\r\n")) != "":
        name, _, value = header.partition(": ")
        fields.append((name, value))
    length = {name.lower(): value for name, value in fields}.get("content-length", "0")
    return Received(line[0], line[1], fields, stream.read(int(length)))
