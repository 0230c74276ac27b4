"""Put a server under load: so many connections that each ask again as soon as they are answered.

A closed loop measures what a request costs; how a server bears more than it can do is for the tests
of overload.
"""

import asyncio
import re
import time
from dataclasses import dataclass, field
from typing import Final

LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CLOSES: Final = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


@dataclass
class Load:
    """Hold what came back; ``latencies`` are in seconds."""

    latencies: list[float] = field(default_factory=list)
    failures: int = 0

    @property
    def count(self) -> int:
        """Return the number of good answers."""
        return len(self.latencies)

    def percentile(self, share: float) -> float:
        """Return the latency that a share of the answers had at most, in milliseconds."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Client(asyncio.Protocol):
    """Ask on one connection, and on a new one where the server ends it."""

    def __init__(self, port: int, request: bytes, load: Load, ends: float) -> None:
        """Ask nothing yet; nothing is asked after the moment ``ends``."""
        self._port = port
        self._request = request
        self._load = load
        self._ends = ends
        self._seen = b""
        self._began = 0.0
        self._transport: asyncio.Transport
        self._over = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Ask until the end."""
        loop = asyncio.get_running_loop()
        while time.monotonic() < self._ends:
            self._over = loop.create_future()
            await loop.create_connection(lambda: self, "127.0.0.1", self._port)
            await self._over

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the first time."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker.
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Ask again when an answer is complete."""
        self._seen += data
        head, _, body = self._seen.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if not length or len(body) < int(length[1]):
            return
        if head.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200")):
            self._load.latencies.append(time.perf_counter() - self._began)
        else:
            self._load.failures += 1
        if CLOSES.search(head) or time.monotonic() >= self._ends:
            self._transport.close()
        else:
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let a new connection go on."""
        if not self._over.done():
            self._over.set_result(None)

    def _ask(self) -> None:
        self._seen = b""
        self._began = time.perf_counter()
        self._transport.write(self._request)


def press(port: int, request: bytes, connections: int, seconds: float) -> Load:
    """Return what a server on loopback answered in so many seconds."""

    async def run() -> Load:
        load, ends = Load(), time.monotonic() + seconds
        await asyncio.gather(*(Client(port, request, load, ends).run() for _ in range(connections)))
        return load

    return asyncio.run(run())
