"""Decide whether a failed call may be made once more.

Patterns: Retry with a budget (Google, Site Reliability Engineering, chapter 21: 10 % per client),
full jitter (Brooker, Exponential Backoff And Jitter).  Only the caller next to the trouble
retries: an answer is never retried, even a 503, so that layers do not multiply.
"""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass

from chassis.clock import Clock, SystemClock
from chassis.errors import ServiceError, Unavailable

# Good times save up this many retries, enough for the moment when a callee restarts.
MAX_SAVED = 10.0


class NotSent(Unavailable):
    """Report that no connection could be made: nothing of the request left this process."""


class ConnectionLost(Unavailable):
    """Report that the connection ended before the answer began.

    A kept connection that the callee had just closed looks so, and so does a callee that died
    over the request: whether it took effect is unknown.
    """


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Allow at most one more attempt, of what is safe to repeat.

    :param backoff_seconds: longest pause before it; the pause is drawn from zero to this.
    :param methods: methods that are safe to repeat whatever happened to the first attempt.  Others
        are repeated only with an idempotency key and when nothing had been sent.
    """

    backoff_seconds: float = 0.05
    methods: frozenset[str] = frozenset({"GET", "HEAD"})

    def allows(self, failure: ServiceError, method: str, *, has_key: bool) -> bool:
        """Tell whether the failed attempt may be repeated."""
        if method in self.methods:
            return isinstance(failure, NotSent | ConnectionLost)
        return has_key and isinstance(failure, NotSent)

    def pause_seconds(self, random: Callable[[], float] = random.random) -> float:
        """Return how long to wait before the second attempt; give up if the deadline is nearer."""
        return self.backoff_seconds * random()


class RetryBudget:
    """Keep retries to a share of the calls: a token bucket that calls fill and retries empty.

    :param ratio: retries earned by each call.
    :param minimum: retries earned by each second, for a caller who seldom calls.
    """

    def __init__(
        self, ratio: float = 0.1, minimum: float = 0.1, *, clock: Clock | None = None
    ) -> None:
        """Start with two retries in hand."""
        self._ratio = ratio
        self._minimum = minimum
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._saved = 2.0
        self._saved_at = self._clock.monotonic()

    def record_call(self) -> None:
        """Earn the share of a retry that a call brings; retries are no calls."""
        with self._lock:
            now = self._clock.monotonic()
            earned = self._ratio + self._minimum * (now - self._saved_at)
            self._saved = min(MAX_SAVED, self._saved + earned)
            self._saved_at = now

    def withdraw(self) -> bool:
        """Take one retry; False when none is left, and the failure must stand."""
        with self._lock:
            if self._saved < 1:
                return False
            self._saved -= 1
            return True
