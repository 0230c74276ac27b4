"""Call one neighbour with care, whatever the transport.

Each attempt takes a place in the bulkhead and a permit of the breaker, and ends with the deadline.
One that failed is repeated once, if it may be and the retry budget allows it.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from chassis.clock import Clock, SystemClock
from chassis.errors import DeadlineExceeded, ServiceError
from chassis.outbound.breaker import BreakerPolicy, CircuitBreakerGuard, Outcome
from chassis.outbound.bulkhead import Bulkhead
from chassis.outbound.deadline import Deadline
from chassis.outbound.retry import RetryBudget, may_repeat, pause_seconds

logger = logging.getLogger(__name__)


class HasStatus(Protocol):
    """Be an answer over HTTP."""

    @property
    def status(self) -> int:
        """Return the status code."""


Reply = TypeVar("Reply", bound=HasStatus)

Send = Callable[[float], Reply]
"""Make one attempt within some seconds; without a usable answer it raises a ``ServiceError``."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Bound an exchange with a neighbour.

    :param read_seconds: longest wait for the next piece of the answer.
    :param total_seconds: from the first attempt to the last byte, a retry included.
    :param slow_seconds: what takes longer counts as slow for the circuit breaker.
    """

    read_seconds: float
    total_seconds: float
    slow_seconds: float


class Caller:
    """Hold what is known of one neighbour, and decide on each call to it; shared by all threads."""

    def __init__(
        self,
        name: str,
        policy: BreakerPolicy | None = None,
        *,
        max_concurrent: int,
        clock: Clock | None = None,
    ) -> None:
        """Know nothing bad yet.

        Args:
            name: the neighbour, as breaker, log and problem documents call it.
            policy: when the breaker opens.
            max_concurrent: calls at once; whoever comes above that is refused.
            clock: the time, except for pauses.
        """
        self.name = name
        self.breaker = CircuitBreakerGuard(name, policy, clock=clock)
        self.bulkhead = Bulkhead(name, max_concurrent)
        self._budget = RetryBudget(clock)
        self._clock = clock or SystemClock()

    def call(
        self, send: Send[Reply], ends: Deadline, times: Timeouts, *, method: str, has_key: bool
    ) -> Reply:
        """Return what ``send`` returns, after at most one retry of what is safe to repeat.

        Args:
            send: makes one attempt.
            ends: when the answer is of no more use.
            times: what an attempt may take, and what is slow.
            method: the HTTP method.
            has_key: the request carries an idempotency key.

        Raises:
            CircuitOpen, BulkheadFull: the neighbour is not asked.
            DeadlineExceeded: no time is left to ask it.
            ServiceError: as ``send``.
        """
        self._budget.record_call()
        try:
            return self._attempt(send, ends, times)
        except ServiceError as failure:
            if not may_repeat(failure, method, has_key=has_key):
                raise
            pause = pause_seconds()
            if pause >= ends.remaining() or not self._budget.withdraw():
                raise
        time.sleep(pause)
        return self._attempt(send, ends, times)

    def _attempt(self, send: Send[Reply], ends: Deadline, times: Timeouts) -> Reply:
        patience = ends.clamp(times.read_seconds)
        with self.bulkhead, self.breaker.acquire() as permit:
            started = self._clock.monotonic()
            try:
                reply = send(patience)
            except ServiceError as error:
                logger.warning("a call to %s failed: %r", self.name, error)
                # A caller in a hurry proves nothing about the callee, and must not be able to open
                # the breaker for everybody else.
                if not isinstance(error, DeadlineExceeded) or patience >= times.slow_seconds:
                    permit.outcome = Outcome.FAILED
                raise
            if reply.status >= 400:
                permit.outcome = Outcome.NEUTRAL
            else:
                slow = self._clock.monotonic() - started >= times.slow_seconds
                permit.outcome = Outcome.SLOW if slow else Outcome.SUCCEEDED
            return reply
