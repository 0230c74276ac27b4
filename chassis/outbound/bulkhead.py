"""Bound how many calls to one neighbour are under way at once.

Pattern: Bulkheads (Nygard, Release It!, 2nd edition, section 5.3).  Nobody waits: whoever finds it
full is refused at once, so that a hung neighbour ties up no more than its share of threads.
"""

import threading
from typing import Self

from chassis.errors import NotAsked


class BulkheadFull(NotAsked):
    """Refuse a call, because enough of them wait for this neighbour already."""

    code = "bulkhead_full"
    title = "A service behind this one is busy"


class Bulkhead:
    """Hold a place for a call in a ``with`` block, which raises ``BulkheadFull`` at its door."""

    def __init__(self, name: str, max_concurrent: int) -> None:
        """Let ``max_concurrent`` calls through at once."""
        self.name = name
        self.max_concurrent = max_concurrent
        self._lock = threading.Lock()
        self._in_flight = 0

    @property
    def in_flight(self) -> int:
        """Return how many calls are under way."""
        return self._in_flight

    def __enter__(self) -> Self:
        with self._lock:
            if self._in_flight >= self.max_concurrent:
                raise BulkheadFull(f"Too many calls wait for {self.name}.")
            self._in_flight += 1
            return self

    def __exit__(self, *_error: object) -> None:
        with self._lock:
            self._in_flight -= 1
