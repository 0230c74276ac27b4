"""Run mail workers as they are documented, and whom they ask."""

import json
import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from sqlalchemy import select

from chassis.outbound.breaker import CircuitBreakerGuard
from messaging import transports
from messaging.celery_transport import CeleryTransport
from services.notifications.models import Base, Mail
from services.notifications.tests.samples import ORDER
from storage.database import Database
from tests.brokers import Broker

ROOT = Path(__file__).parents[2]
QUEUE = "notifications"


def new_transport(broker: Broker) -> CeleryTransport:
    """Return what orders publishes with."""
    return CeleryTransport(broker.url, QUEUE, CircuitBreakerGuard("broker", transports.BREAKER))


class Neighbours:
    """Be auth and accounts at once: everybody gets a token, and everybody has an address.

    A user whose name begins with ``broken`` makes accounts fail.
    """

    def __init__(self) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.answer(200, {"access_token": "token", "expires_in": 600})

            def do_GET(self) -> None:
                user_id = self.path.rpartition("/")[2]
                account = {
                    "id": user_id, "username": user_id, "email": f"{user_id}@example.org",
                    "given_name": None, "family_name": None, "language": "es",
                }  # fmt: skip
                self.answer(500 if user_id.startswith("broken") else 200, account)

            def answer(self, status: int, document: Any) -> None:
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = "http://{}:{}".format(*self._server.server_address)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Worker:
    """Run the mail worker by the command that the README gives."""

    def __init__(self, folder: Path, broker: Broker, neighbours: Neighbours, **environ: str):
        self.data = folder / "var"
        self.output = folder / "worker.txt"
        self.database = Database(f"sqlite:///{self.data}/notifications.sqlite3")
        self.database.create_all(Base.metadata)
        self._environ = {
            "PATH": os.environ["PATH"],
            "SHOP_DATA_DIR": str(self.data),
            "CELERY_BROKER_URL": broker.url,
            "AUTH_URL": neighbours.url,
            "ACCOUNTS_URL": neighbours.url,
            "RELAY_SECONDS": "0.5",
            **environ,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, **environ: str) -> "Worker":
        command = [sys.executable, "-m", "celery", "-A", "services.notifications.tasks", "worker"]
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**self._environ, **environ},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        return self

    def kill(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def wait(self) -> int:
        assert self.process
        return self.process.wait(30)

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            finally:
                self.process.kill()
                self.process.wait()

    def close(self) -> None:
        self.stop()
        self.database.close()

    @property
    def files(self) -> list[Path]:
        """Return the mails that were written."""
        return sorted((self.data / "mail").glob("*.eml"))

    def letters(self) -> list[Any]:
        """Return the dead letters."""
        with self.database.read() as session:
            return list(session.scalars(select(Mail).where(Mail.died_at.is_not(None))))

    def waiting(self) -> list[Any]:
        with self.database.read() as session:
            return list(session.scalars(select(Mail).where(Mail.died_at.is_(None))))


def an_order(number: int) -> dict[str, Any]:
    """Return the data of an order of some user's."""
    return {**ORDER, "order_id": f"ord_{number}", "user_id": f"user-{number}"}
