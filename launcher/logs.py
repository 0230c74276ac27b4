"""Carry what a child writes to the console, line by line."""

import os
import select
from typing import Final

from launcher.console import Console
from launcher.loop import READ, Loop

CHUNK_BYTES: Final = 1 << 16
LONGEST_LINE_BYTES: Final = 1 << 16


class LogStream:
    """Read one child's output until its end."""

    def __init__(self, name: str, file: int, loop: Loop, console: Console) -> None:
        self._name = name
        self._file = file
        self._loop = loop
        self._console = console
        self._partial = b""
        loop.watch(file, READ, self.read)

    def read(self) -> None:
        """Show the whole lines that have come so far."""
        data = os.read(self._file, CHUNK_BYTES)
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            self._show(line)
        if not data or len(self._partial) > LONGEST_LINE_BYTES:
            self._show(self._partial)
            self._partial = b""
        if not data:
            self.close()

    def drain(self) -> None:
        """Show what an ended child has left; whatever it started may hold the other end open."""
        while self._file >= 0 and _has_data(self._file):
            self.read()
        self._show(self._partial)
        self.close()

    def _show(self, line: bytes) -> None:
        if line:
            self._console.line(line.decode("utf-8", "replace"), self._name)

    def close(self) -> None:
        """Stop reading; safe to call twice."""
        if self._file >= 0:
            self._loop.unwatch(self._file)
            os.close(self._file)
            self._file = -1
            self._partial = b""


def _has_data(file: int) -> bool:
    poll = select.poll()
    poll.register(file, select.POLLIN)
    return bool(poll.poll(0))
