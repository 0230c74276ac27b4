"""Subscribe to events as a consumer does: over a real socket, with an inbox in a real database."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from tests.resilience import worker

KNOWN_VERSION = 1
PATH = "/internal/events"
FILE = "subscriber.sqlite3"


class Handler(BaseHTTPRequestHandler):
    """Take what comes, unless the subscriber's ``answer`` says another status."""

    server: "Server"
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_POST(self) -> None:
        envelope = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.server.subscriber.receive(self.path, envelope)
        body = b"{}"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    subscriber: "Subscriber"


class Subscriber:
    """Hold what came; ``answer`` decides the status of an event, before it has its effect."""

    def __init__(self, folder: Path) -> None:
        """Listen at ``url`` until closed, and keep effects in a file of the folder."""
        self.database = worker.open_database(f"sqlite:///{folder / FILE}")
        self.envelopes: list[dict[str, Any]] = []
        self.answer: Callable[[dict[str, Any]], int] = lambda _: 200
        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.subscriber = self
        self.url = "http://{}:{}".format(*self._server.server_address)
        self._thread: threading.Thread | None = None
        self.start()

    def start(self) -> None:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def leave(self) -> None:
        """Refuse connections until :meth:`come_back`."""
        self._stop()
        self._server.server_close()

    def come_back(self) -> None:
        address = self._server.server_address
        self._server = Server(address, Handler)
        self._server.subscriber = self
        self.start()

    def receive(self, path: str, envelope: dict[str, Any]) -> int:
        assert path == PATH
        self.envelopes.append(envelope)
        if envelope["version"] != KNOWN_VERSION:
            return 422
        status = self.answer(envelope)
        if status < 300:
            self.take(envelope)
        return status

    def take(self, envelope: dict[str, Any]) -> None:
        """Have the effect of an event, unless it came before."""
        worker.take(self.database, envelope)

    @property
    def effects(self) -> list[worker.Delivery]:
        """Return the events that had an effect, each as often as it had."""
        return worker.effects(self.database)

    def told_of(self, order_id: str) -> list[str]:
        """Return the types of the effects that an order has had."""
        return [effect.type for effect in self.effects if effect.aggregate_id == order_id]

    def _stop(self) -> None:
        self._server.shutdown()
        if self._thread:
            self._thread.join()

    def close(self) -> None:
        self.leave()
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
