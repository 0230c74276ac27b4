"""Stand between a client and a server, and let the network misbehave as told.

Faults are named as the one who connects meets them.  From tests::

    with FaultProxy(("127.0.0.1", 8003)) as proxy:
        proxy.fault = Hang()
        requests.get(proxy.url)

From the command line, with another fault for each line that is typed::

    python -m tools.fault_proxy 8003 --port 9003 delay 2

A change of the fault counts for bytes that come from then on, on connections that are open, too.
"""

import argparse
import asyncio
import socket
import struct
import sys
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Self

CHUNK_BYTES: Final = 65536
# Closes with a reset instead of in order (socket(7)).
_NO_LINGER: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Healthy:
    """Pass everything on."""


@dataclass(frozen=True)
class Refuse:
    """Listen to nobody, and reset the connections that are open."""


@dataclass(frozen=True)
class Hang:
    """Accept, read, and never answer."""


@dataclass(frozen=True)
class Delay:
    """Hold every piece of an answer back for some seconds."""

    seconds: float


@dataclass(frozen=True)
class Reset:
    """Reset the connection after so many bytes of an answer."""

    after_bytes: int


@dataclass(frozen=True)
class Truncate:
    """Close the connection in order after so many bytes of an answer."""

    after_bytes: int


@dataclass(frozen=True)
class Drip:
    """Pass an answer on byte by byte."""

    bytes_per_second: float


@dataclass(frozen=True)
class Corrupt:
    """Turn every so manieth byte of an answer into its complement."""

    every_bytes: int


Fault = Healthy | Refuse | Hang | Delay | Reset | Truncate | Drip | Corrupt
KINDS: Final[dict[str, Callable[..., Fault]]] = {
    kind.__name__.lower(): kind
    for kind in (Healthy, Refuse, Hang, Delay, Reset, Truncate, Drip, Corrupt)
}


def parse_fault(text: str) -> Fault:
    """Read a fault such as ``hang`` or ``delay 0.5``.

    Raises:
        ValueError: saying which there are.
    """
    name, *numbers = text.split() or [""]
    try:
        return KINDS[name.lower()](*(int(n) if n.isdigit() else float(n) for n in numbers))
    except (KeyError, TypeError, ValueError):
        known = ", ".join(sorted(KINDS))
        raise ValueError(
            f"'{text.strip()}' is no fault with its number; there are {known}"
        ) from None


class FaultProxy:
    """Listen on loopback and connect to ``target``; count what came."""

    def __init__(self, target: tuple[str, int], port: int = 0) -> None:
        """Listen to nobody yet; port 0 takes a free one."""
        self._target = target
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault proxy")
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._fault: Fault = Healthy()
        self._answering = asyncio.Event()
        self.connections = 0

    @property
    def url(self) -> str:
        """Return the address to connect to."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def fault(self) -> Fault:
        """Return the present fault."""
        return self._fault

    @fault.setter
    def fault(self, fault: Fault) -> None:
        """Misbehave otherwise from now on."""
        self._do(self._change(fault))

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._change(self._fault))
        self._do(self._listen())
        return self

    def __exit__(self, *_error: object) -> None:
        self._do(self._leave())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _change(self, fault: Fault) -> None:
        refused = isinstance(self._fault, Refuse)
        self._fault = fault
        if isinstance(fault, Hang):
            self._answering.clear()
        else:
            self._answering.set()
        if isinstance(fault, Refuse) and not refused:
            await self._close()
        elif refused and not isinstance(fault, Refuse):
            await self._listen()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server:
            self._server.close()
        for writer in list(self._writers):
            _reset(writer)

    async def _leave(self) -> None:
        await self._close()
        others = asyncio.all_tasks(self._loop) - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            # The end of the proxy is no news to anybody.
            with suppress(OSError, asyncio.CancelledError):
                back, forth = await asyncio.open_connection(*self._target)
                self._writers.add(forth)
                asking = asyncio.ensure_future(_copy(reader, forth))
                await self._answer(back, writer)
                asking.cancel()
                await _end(forth)
                self._writers.discard(forth)
        finally:
            await _end(writer)
            self._writers.discard(writer)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passed = 0
        while piece := await reader.read(CHUNK_BYTES):
            await self._answering.wait()
            if not await self._pass(piece, passed, writer):
                return
            passed += len(piece)

    async def _pass(self, piece: bytes, passed: int, writer: asyncio.StreamWriter) -> bool:
        """Pass a piece on under the present fault; return whether the connection goes on."""
        match self._fault:
            case Delay(seconds):
                await asyncio.sleep(seconds)
            case Reset(after) | Truncate(after) if passed + len(piece) >= after:
                writer.write(piece[: max(0, after - passed)])
                await writer.drain()
                if isinstance(self._fault, Reset):
                    _reset(writer)
                return False
            case Drip(bytes_per_second):
                for number in range(len(piece)):
                    writer.write(piece[number : number + 1])
                    await writer.drain()
                    await asyncio.sleep(1 / bytes_per_second)
                return True
            case Corrupt(every):
                numbered = enumerate(piece, passed + 1)
                piece = bytes(byte ^ (0 if number % every else 0xFF) for number, byte in numbered)
        writer.write(piece)
        await writer.drain()
        return True


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(CHUNK_BYTES):
            writer.write(piece)
            await writer.drain()
        writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    writer.transport.abort()


async def _end(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until the end of the input, and change the fault with each line of it."""
    parser = argparse.ArgumentParser(description="Let a connection misbehave.")
    parser.add_argument("target", type=int, help="port on loopback that is connected to")
    parser.add_argument("fault", nargs="*", default=["healthy"], help=", ".join(sorted(KINDS)))
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one")
    options = parser.parse_args(arguments)
    try:
        first = parse_fault(" ".join(options.fault))
        with FaultProxy(("127.0.0.1", options.target), options.port) as proxy:
            proxy.fault = first
            sys.stdout.write(f"{proxy.url} goes to {options.target}: {proxy.fault}\n")
            for line in sys.stdin:
                _obey(proxy, line)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        pass
    return 0


def _obey(proxy: FaultProxy, line: str) -> None:
    try:
        proxy.fault = parse_fault(line)
        sys.stdout.write(f"{proxy.fault}\n")
    except ValueError as error:
        sys.stdout.write(f"{error}\n")


if __name__ == "__main__":
    sys.exit(main())
