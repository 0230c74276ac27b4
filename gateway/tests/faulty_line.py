"""Lead TCP connections to a server, until told to refuse or to hang."""

import contextlib
import socket
import threading
from typing import Self
from urllib.parse import urlsplit


class FaultyLine:
    """Listen on a port of loopback that stays the same, whatever happens on the line."""

    def __init__(self, url: str) -> None:
        target = urlsplit(url)
        self._target = target.hostname, target.port
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._port = self._listener.getsockname()[1]
        self.url = target._replace(netloc=f"127.0.0.1:{self._port}").geturl()
        self.connections = 0
        self._moves = threading.Event()
        self.mend()

    def mend(self) -> None:
        """Accept connections, and let pass what is sent."""
        if self._listener.fileno() < 0:
            self._listener = socket.create_server(("127.0.0.1", self._port), backlog=64)
        self._moves.set()
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def hang(self) -> None:
        """Take whatever is sent, and let nothing pass."""
        self._moves.clear()

    def cut(self) -> None:
        """End all connections, and refuse new ones."""
        self._moves.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in list(self._open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                self.connections += 1
                far = socket.create_connection(self._target)
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._lead, args=ends, daemon=True).start()

    def _lead(self, source: socket.socket, sink: socket.socket) -> None:
        self._open.add(source)
        with contextlib.suppress(OSError), source:
            while data := source.recv(65536):
                self._moves.wait()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)
        self._open.discard(source)
