"""Neighbours that behave as badly as a test asks them to."""

import json
import os
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO

import requests
from requests.adapters import BaseAdapter

Behaviour = Callable[[socket.socket], None]


class Callee:
    """Listen on a free loopback port and let ``behave`` answer each request on its connection."""

    def __init__(self, behave: Behaviour) -> None:
        self._behave = behave
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.url = "http://{}:{}".format(*self._listener.getsockname())
        self.requests: list[str] = []
        self._start(self._accept)

    @property
    def connections(self) -> int:
        return len(self._connections)

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection, connection.makefile("rb") as stream:
            while request := self._read(stream):
                self.requests.append(request.decode())
                self._behave(connection)

    def _read(self, stream: BinaryIO) -> bytes:
        head = b""
        while (line := stream.readline()) not in {b"\r\n", b""}:
            head += line
        length = re.search(rb"content-length: (\d+)", head.lower())
        return head + stream.read(int(length[1])) if length else head

    def close(self) -> None:
        # Closing alone does not wake a thread that waits in accept or recv.
        for sock in (self._listener, *self._connections):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join()


class ScriptedTransport(BaseAdapter):
    """Answer each request with the next step: an error to raise, or (status, body, headers).

    The last step repeats.
    """

    def __init__(self, *steps: Any) -> None:
        super().__init__()
        self._steps = list(steps)
        self.requests: list[dict[str, str]] = []

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any):
        self.requests.append(dict(request.headers))
        step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
        if isinstance(step, Exception):
            raise step
        status, body, headers = step
        response = requests.Response()
        response.status_code = status
        response._content = json.dumps(body).encode()
        response.headers.update(headers)
        response.request = request
        return response

    def close(self) -> None:
        pass


def http_answer(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    """Return an answer with the length of its body, unless a header says otherwise."""
    fields = {"Content_Length": str(len(body)), **headers}
    lines = [f"HTTP/1.1 {status}", *(f"{k.replace('_', '-')}: {v}" for k, v in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def say(*pieces: bytes, close: bool = False) -> Behaviour:
    """Send the pieces, and close the connection if asked to."""

    def behave(connection: socket.socket) -> None:
        for piece in pieces:
            connection.sendall(piece)
        if close:
            connection.shutdown(socket.SHUT_RDWR)

    return behave


def stay_silent(_: socket.socket) -> None:
    """Accept the request and never answer."""


def abort(piece: bytes) -> Behaviour:
    """Send the piece, then reset the connection."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(piece)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # The file that requests are read from would keep a merely closed socket open.
        os.close(connection.detach())

    return behave


def drip(head: bytes, *, every_seconds: float) -> Behaviour:
    """Send the head, then a byte at a time, until the caller has gone."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(b"x")
            time.sleep(every_seconds)

    return behave
