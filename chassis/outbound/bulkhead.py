"""Bound how many calls to one neighbour are under way at once.

Pattern: Bulkheads (Nygard, Release It!, 2nd edition, section 5.3).  Nobody waits: whoever finds it
full is refused at once, so that a hung neighbour ties up no more than its share of threads.
"""

import threading
from typing import Self

from chassis.errors import Unavailable


class BulkheadFull(Unavailable):
    """Refuse a call, because enough of them wait for this neighbour already."""

    code = "bulkhead_full"
    title = "A service behind this one is busy"


class Bulkhead:
    """Count the calls under way; each ``acquire`` that returned needs one ``release``."""

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

    def acquire(self) -> None:
        """Take a place, without waiting.

        Raises:
            BulkheadFull: when all places are taken.
        """
        with self._lock:
            if self._in_flight >= self.max_concurrent:
                raise BulkheadFull(f"Too many calls wait for {self.name}.")
            self._in_flight += 1

    def release(self) -> None:
        """Give the place back."""
        with self._lock:
            self._in_flight -= 1

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_error: object) -> None:
        self.release()
