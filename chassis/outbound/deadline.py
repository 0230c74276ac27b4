"""Carry the moment by which an answer is of use from a request to the calls made for it.

Pattern: Deadline propagation (Google, Site Reliability Engineering, chapter 22).  On the wire it is
``X-Deadline-Ms``, the milliseconds left: clocks of two machines need not agree.
"""

import math
import re
from collections.abc import Mapping
from contextvars import ContextVar

from chassis.clock import Clock, SystemClock
from chassis.errors import DeadlineExceeded

HEADER = "X-Deadline-Ms"
MAX_MILLISECONDS = 60_000

_DIGITS = re.compile(r"[0-9]{1,5}", re.ASCII)


class Deadline:
    """Hold a moment of a monotonic clock."""

    __slots__ = ("_at", "_clock")

    def __init__(self, seconds: float, clock: Clock | None = None) -> None:
        """Pass that many seconds from now."""
        self._clock = clock or SystemClock()
        self._at = self._clock.monotonic() + seconds

    def remaining(self) -> float:
        """Return the seconds left, at least zero."""
        return max(0.0, self._at - self._clock.monotonic())

    def clamp(self, timeout_seconds: float) -> float:
        """Return the timeout, or what is left when that is less.

        Raises:
            DeadlineExceeded: when nothing is left, so that dead work is not begun.
        """
        remaining = self.remaining()
        if not remaining:
            raise DeadlineExceeded
        return min(timeout_seconds, remaining)

    def header_value(self) -> str:
        """Return whole milliseconds for the next hop, strictly fewer than are left here.

        Raises:
            DeadlineExceeded: when less than that is left.
        """
        # Without rounding, the error of a float can lift a whole number to the next one.
        milliseconds = math.ceil(round(self.remaining() * 1000, 3)) - 1
        if milliseconds < 1:
            raise DeadlineExceeded
        return str(min(milliseconds, MAX_MILLISECONDS))


_current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


def parse_seconds(value: str | None) -> float | None:
    """Read a header value; None unless it is a whole number from 1 to 60000."""
    if value is None or not _DIGITS.fullmatch(value):
        return None
    milliseconds = int(value)
    return milliseconds / 1000 if 1 <= milliseconds <= MAX_MILLISECONDS else None


def begin(headers: Mapping[str, str], clock: Clock | None = None) -> None:
    """Take the deadline of an incoming request, or none, for all calls made while it is served.

    Replaces what an earlier request on this thread has left.
    """
    seconds = parse_seconds(headers.get(HEADER))
    _current.set(None if seconds is None else Deadline(seconds, clock))


def within(seconds: float, clock: Clock | None = None) -> Deadline:
    """Return a deadline that many seconds from now, or the current one when that is sooner."""
    inherited = _current.get()
    return Deadline(min(seconds, inherited.remaining()) if inherited else seconds, clock)
