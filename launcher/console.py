"""Write to the terminal or log of whoever started the shop, without ever waiting for it.

A terminal may be stopped and a pipe full.  What doesn't fit into the buffer is dropped and counted,
so that no service ever waits to get its log lines out.
"""

import os
import select
from collections import deque
from typing import Final

from chassis.config import Environ
from launcher.loop import WRITE, Loop

BUFFER_BYTES: Final = 1 << 20
FAREWELL_SECONDS: Final = 0.5
LAUNCHER: Final = "launcher"
COLOURS: Final = ("36", "33", "32", "35", "34", "96", "93", "92", "95", "94", "91")
CLEAR_LINE: Final = "\r\x1b[K"


class Console:
    """Show prefixed lines and, on a terminal, one status line below them."""

    def __init__(self, file: int, loop: Loop, environ: Environ) -> None:
        self._file = file
        self._loop = loop
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._dropped = 0
        self._watched = False
        self._status = ""
        self._prefixes: dict[str, str] = {}
        self.is_terminal = _is_terminal(file) and environ.get("TERM") != "dumb"
        self._colourful = self.is_terminal and not environ.get("NO_COLOR")

    def align(self, names: list[str]) -> None:
        """Give each name a prefix of the same width and a colour of its own."""
        width = max(len(name) for name in [*names, LAUNCHER])
        for index, name in enumerate([*names, LAUNCHER]):
            prefix = f"{name:<{width}} | "
            colour = COLOURS[index % len(COLOURS)]
            self._prefixes[name] = f"\x1b[{colour}m{prefix}\x1b[0m" if self._colourful else prefix

    def line(self, text: str, name: str = LAUNCHER) -> None:
        """Show a line, marked with the name of whom it comes from."""
        self.text(self._prefixes.get(name, f"{name} | ") + text)

    def text(self, text: str) -> None:
        """Show text of one or more lines as it is."""
        clear = CLEAR_LINE if self._status else ""
        self._put(f"{clear}{text}\n{self._status}")

    def status(self, text: str) -> None:
        """Replace the status line; there is none where lines can't be replaced."""
        text = text[: _columns(self._file) - 1]
        if self.is_terminal and text != self._status:
            self._status = text
            self._put(CLEAR_LINE + text)

    def flush(self) -> None:
        """Write as much as the other side takes now, and the rest when it is ready again."""
        while self._waiting and _is_writable(self._file):
            self._write_one()
        if self._waiting and not self._watched:
            self._loop.watch(self._file, WRITE, self.flush)
        elif not self._waiting and self._watched:
            self._loop.unwatch(self._file)
        self._watched = bool(self._waiting)

    def finish(self) -> None:
        """Write the rest, unless the other side takes nothing for a moment."""
        while self._waiting and _is_writable(self._file, FAREWELL_SECONDS):
            self._write_one()

    def _put(self, text: str) -> None:
        data = text.encode("utf-8", "replace")
        if self._bytes + len(data) > BUFFER_BYTES:
            self._dropped += 1
            return
        if self._dropped:
            data = f"({self._dropped} lines were dropped)\n".encode() + data
            self._dropped = 0
        self._waiting.append(data)
        self._bytes += len(data)
        self.flush()

    def _write_one(self) -> None:
        # A ready pipe takes this much without blocking (POSIX, PIPE_BUF).
        data = self._waiting.popleft()
        try:
            written = os.write(self._file, data[: select.PIPE_BUF])
        except OSError:
            # Nobody reads any more; the shop itself is fine, so it goes on without showing it.
            written = len(data)
        self._bytes -= written
        if written < len(data):
            self._waiting.appendleft(data[written:])


def _is_writable(file: int, timeout_seconds: float = 0) -> bool:
    poll = select.poll()
    poll.register(file, select.POLLOUT)
    return bool(poll.poll(timeout_seconds * 1000))


def _columns(file: int) -> int:
    # A line that wraps can't be replaced, so one without a known width is kept short too.
    try:
        return os.get_terminal_size(file).columns or 80
    except OSError:
        return 80


def _is_terminal(file: int) -> bool:
    try:
        return os.isatty(file)
    except OSError:
        return False
