"""Decide whether a failed call may be made once more.

Patterns: Retry with a budget (Google, Site Reliability Engineering, chapter 21: 10 % per client),
full jitter (Brooker, Exponential Backoff And Jitter).  Only the caller next to the trouble
retries: an answer is never retried, even a 503, so that layers do not multiply.
"""

import random
import threading
from collections.abc import Callable

from chassis.clock import Clock, SystemClock
from chassis.errors import NotAsked, ServiceError, Unavailable

# Longest pause before the second attempt; the pause is drawn from zero to this.
BACKOFF_SECONDS = 0.05
# Retries that a call earns, and those that a second earns a caller who seldom calls.
EARNED_BY_CALL = EARNED_BY_SECOND = 0.1
# Good times save up this many retries, enough for the moment when a callee restarts.
MAX_SAVED = 10.0


class NotSent(NotAsked):
    """Report that no connection could be made: nothing of the request left this process."""


class ConnectionLost(Unavailable):
    """Report that the connection ended before the answer began.

    A kept connection that the callee had just closed looks so, and so does a callee that died
    over the request: whether it took effect is unknown.
    """


def may_repeat(failure: ServiceError, method: str, *, has_key: bool) -> bool:
    """Tell whether a failed attempt may be repeated.

    A read may, whatever became of it; anything else only with an idempotency key (``has_key``) and
    when nothing had been sent.
    """
    if method in {"GET", "HEAD"}:
        return isinstance(failure, NotSent | ConnectionLost)
    return has_key and isinstance(failure, NotSent)


def pause_seconds(random: Callable[[], float] = random.random) -> float:
    """Return how long to wait before the second attempt; ``random`` gives numbers from 0 to 1."""
    return BACKOFF_SECONDS * random()


class RetryBudget:
    """Keep retries to a share of the calls: a token bucket that calls fill and retries empty."""

    def __init__(self, clock: Clock | None = None) -> None:
        """Start with two retries in hand."""
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._saved = 2.0
        self._saved_at = self._clock.monotonic()

    def record_call(self) -> None:
        """Earn the share of a retry that a call brings; retries are no calls."""
        with self._lock:
            now = self._clock.monotonic()
            earned = EARNED_BY_CALL + EARNED_BY_SECOND * (now - self._saved_at)
            self._saved = min(MAX_SAVED, self._saved + earned)
            self._saved_at = now

    def withdraw(self) -> bool:
        """Take one retry; False when none is left, and the failure must stand."""
        with self._lock:
            if self._saved < 1:
                return False
            self._saved -= 1
            return True
