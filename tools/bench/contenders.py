"""Run the gateway, and what it is compared with, against one upstream on loopback."""

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from contracts.topology import PORT_OFFSETS

PEERS: Final = "tests.load.peers"
START_SECONDS: Final = 20.0
KEY_ID: Final = "bench"
NGINX: Final = """\
daemon off; worker_processes 1; pid {folder}/pid; error_log stderr crit;
events {{ worker_connections 256; }}
http {{
    access_log off; client_body_temp_path {folder}; proxy_temp_path {folder};
    fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
    upstream shop {{ server 127.0.0.1:{upstream}; keepalive 32; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://shop; proxy_http_version 1.1; proxy_set_header Connection "";
        }}
    }}
}}
"""


class ContenderDidNotStart(Exception):
    """Report a server that ended, or did not listen in time."""


@dataclass(frozen=True)
class Contender:
    """Hold a running server: its process, its port, and what it is asked."""

    name: str
    pid: int
    port: int
    path: str
    token: str

    @property
    def request(self) -> bytes:
        """Return a request of somebody who is signed in."""
        lines = [f"GET {self.path} HTTP/1.1", "Host: localhost", f"Cookie: token={self.token}"]
        return "\r\n".join([*lines, "Accept: application/json", "\r\n"]).encode()


@dataclass(frozen=True)
class Identity:
    """Hold a token, and the key that it is checked with."""

    token: str
    key_set: str
    public_key: str


def make_identity() -> Identity:
    """Sign a token as ``auth`` does."""
    key = Ed25519PrivateKey.generate()
    raw = base64.urlsafe_b64encode(key.public_key().public_bytes_raw()).rstrip(b"=").decode()
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": raw, "kid": KEY_ID, "alg": "EdDSA", "use": "sig"}
    now = int(time.time())
    claims = {
        "iss": "potion-shop", "aud": "shop", "iat": now, "exp": now + 3600,
        "jti": uuid.uuid4().hex, "sub": uuid.uuid4().hex, "roles": ["customer"],
    }  # fmt: skip
    headers = {"typ": "at+jwt", "kid": KEY_ID}
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    token = jwt.encode(claims, key, algorithm="EdDSA", headers=headers)
    return Identity(token, json.dumps({"keys": [jwk]}), pem.decode())


@contextmanager
def running(folder: Path) -> Iterator[list[Contender]]:
    """Run the upstream and every contender that this machine has.

    Raises:
        ContenderDidNotStart: naming the one.
    """
    identity, upstream = make_identity(), _free_port()
    address = f"http://127.0.0.1:{upstream}"
    peers = {"BENCH_UPSTREAM": address, "BENCH_PUBLIC_KEY": identity.public_key}
    services = {f"{name.upper()}_URL": address for name in PORT_OFFSETS if name != "gateway"}
    ours = {**services, "SHOP_DATA_DIR": str(folder), "GATEWAY_RATE_LIMIT": "1000000"}
    with ExitStack() as stack:
        script = [sys.executable, "-m", f"{PEERS}.upstream", str(upstream), identity.key_set]
        stack.enter_context(_process("upstream", script, upstream, {}))
        contenders = []
        for name, path in _names():
            port = _free_port()
            environ = {**(ours if name.startswith("gateway") else peers), "PORT": str(port)}
            command = _command(name, port, upstream, folder)
            pid = stack.enter_context(_process(name, command, port, environ))
            contenders.append(Contender(name, pid, port, path, identity.token))
        yield contenders


def _names() -> Iterator[tuple[str, str]]:
    yield "bare Flask view", "/products"
    yield "articles' gateway", "/products"
    yield "FastAPI and httpx", "/products"
    if shutil.which("nginx"):
        yield "nginx", "/products"
    yield "gateway, uncached", "/products"
    yield "gateway, cached", "/api/v1/products"


def _command(name: str, port: int, upstream: int, folder: Path) -> Sequence[str]:
    bind = f"127.0.0.1:{port}"
    gunicorn = [sys.executable, "-m", "gunicorn", "--no-control-socket", "-b", bind]
    if name == "bare Flask view":
        return [*gunicorn, "-k", "gevent", f"{PEERS}.bare:app"]
    if name == "articles' gateway":
        return [*gunicorn, "-k", "sync", f"{PEERS}.articles:app"]
    if name == "FastAPI and httpx":
        options = ["--port", str(port), "--no-access-log", "--log-level", "warning"]
        return [sys.executable, "-m", "uvicorn", *options, f"{PEERS}.fastapi_httpx:app"]
    if name == "nginx":
        conf = folder / "nginx.conf"
        conf.write_text(NGINX.format(folder=folder, upstream=upstream, port=port))
        return ["nginx", "-p", str(folder), "-c", str(conf)]
    return [sys.executable, "-m", "gateway"]


@contextmanager
def _process(
    name: str, command: Sequence[str], port: int, environ: Mapping[str, str]
) -> Iterator[int]:
    process = subprocess.Popen(
        command,
        env={**os.environ, **environ},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _await_listening(name, process, port)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def _await_listening(name: str, process: subprocess.Popen[bytes], port: int) -> None:
    gives_up = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < gives_up:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise ContenderDidNotStart(f"{name} did not start")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
