"""Subscribe to the shop's events over a real socket, and keep each effect durably, once.

Pattern: Idempotent consumer (Richardson, Microservices Patterns, 3.3.6): the note of an event's id
and its effect are one transaction, so that a delivery that comes again changes nothing.
"""

import json
import sqlite3
import threading
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

PATH = "/internal/events"
SCHEMA = """
CREATE TABLE IF NOT EXISTS inbox (event_id TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS effects (event_id TEXT, type TEXT, aggregate_id TEXT, body TEXT);
CREATE TABLE IF NOT EXISTS deliveries (event_id TEXT);
"""


@dataclass(frozen=True)
class Effect:
    """Hold what an event had done, such as a mail that was sent."""

    event_id: str
    type: str
    aggregate_id: str


class Mailbox:
    """Take events at ``url`` from when it is made until it is closed."""

    def __init__(self, database: Path) -> None:
        self._database = database
        with closing(sqlite3.connect(database)) as connection:
            connection.executescript(SCHEMA)
        mailbox = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self._answer(mailbox.take(json.loads(body)) if self.path == PATH else 404)

            def _answer(self, status: int) -> None:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def take(self, event: Mapping[str, Any]) -> int:
        """Keep an event and return the status of the answer."""
        row = (event["id"], event["type"], event["aggregate_id"], json.dumps(event))
        with closing(sqlite3.connect(self._database, timeout=5)) as connection, connection:
            connection.execute("INSERT INTO deliveries VALUES (?)", row[:1])
            noted = connection.execute("INSERT OR IGNORE INTO inbox VALUES (?)", row[:1])
            if noted.rowcount:
                connection.execute("INSERT INTO effects VALUES (?, ?, ?, ?)", row)
        return 204

    def effects(self) -> list[Effect]:
        return effects_in(self._database)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def effects_in(database: Path) -> list[Effect]:
    """Return what a mailbox has kept in its database."""
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT event_id, type, aggregate_id FROM effects")
        return [Effect(*row) for row in rows]
