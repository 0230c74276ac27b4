"""Stop calling a neighbour that fails or crawls, and try it again with care.

Pattern: Circuit Breaker (Nygard, Release It!, 2nd edition, section 5.2).

pybreaker is the state machine, but it holds one lock through the whole protected call.  So a
guard asks for a permit first, the caller does its I/O outside of any lock, and the permit reports
the outcome to pybreaker with a call that does nothing.  The guard adds what pybreaker lacks: the
rates over a window, a limit on trial calls, growing open times, and a monotonic clock.

::

    with guard.acquire() as permit:  # raises CircuitOpen
        answer = ...
        permit.outcome = Outcome.SUCCEEDED

This module does no I/O, and does not decide what counts as a failure.
"""

import random
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from types import ModuleType
from typing import Self

from chassis.clock import Clock, SystemClock
from chassis.errors import NotAsked

# pybreaker imports redis where that is installed: 22 MB that nothing here uses.  None forbids it.
_modules: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]
_modules.setdefault("redis", None)
import pybreaker  # noqa: E402

if _modules["redis"] is None:
    del _modules["redis"]


class CircuitOpen(NotAsked):
    """Refuse a call at once, because the calls before it failed; says when to come back."""

    code = "circuit_open"
    title = "A service behind this one is recovering"


class BreakerState(StrEnum):
    """Name the states; an operator forces the last two, and no outcome ends them."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"
    FORCED_OPEN = "forced-open"
    FORCED_CLOSED = "forced-closed"


class Outcome(StrEnum):
    """Name what a call can tell about the callee.

    SUCCEEDED and SLOW gave a usable answer, in time or late; FAILED gave none.  NEUTRAL is a
    refusal on business grounds (4xx), which neither trips nor heals; as a trial it is a good one,
    for it proves that the callee works.  RELEASED tells nothing: no call was made, or its caller
    gave up.
    """

    SUCCEEDED = "succeeded"
    SLOW = "slow"
    FAILED = "failed"
    NEUTRAL = "neutral"
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """Say when a breaker opens and how it recovers.

    :param failure_threshold: failures in a row that open it, whatever the rates are.  Any success
        starts the run anew; neutral outcomes do not.
    :param window: number of latest calls over which the rates are taken.
    :param failure_rate: share of the window, 0 to 1, that opens it by having failed.
    :param slow_rate: share of the window that opens it by having failed *or* been slow.  What is
        slow, the caller decides.
    :param minimum_calls: calls that the window must hold before a rate counts.
    :param open_seconds: first open time.  Each failed trial doubles it, a close resets it.
    :param max_open_seconds: limit of the open time, jitter included.
    :param jitter: share by which an open time varies up and down, so that the instances of a
        service do not try again together; at most 0.3, so that it never shrinks from one failed
        trial to the next.
    :param trial_calls: calls let through when half-open, and the successes that close it.  One
        failed or slow trial opens it again.
    :param trial_timeout_seconds: time after which trials that never reported are given back; must
        be longer than any call may take.
    """

    failure_threshold: int = 5
    window: int = 20
    failure_rate: float = 0.5
    slow_rate: float = 0.5
    minimum_calls: int = 10
    open_seconds: float = 5.0
    max_open_seconds: float = 60.0
    jitter: float = 0.2
    trial_calls: int = 3
    trial_timeout_seconds: float = 10.0


OFTEN_TRIED = BreakerPolicy(open_seconds=1.0, max_open_seconds=2.0)
"""For a neighbour that each process asks now and then, and has to notice as soon as it is back."""

Listener = Callable[[str, BreakerState, BreakerState, str], None]
"""Hear of (guard name, old, new, reason), under the guard's lock: be quick and raise nothing."""


class Permit:
    """Allow one call; the ``with`` block sets its ``outcome``, which is reported at the end.

    Without one, the permit is given back.
    """

    __slots__ = ("_guard", "generation", "outcome")

    def __init__(self, guard: "CircuitBreakerGuard", generation: int) -> None:
        """Belong to a generation: outcomes of calls begun before a change of state do not count."""
        self._guard = guard
        self.generation = generation
        self.outcome = Outcome.RELEASED

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._guard.settle(self, self.outcome)


class _ReportedFailure(Exception):
    """Make pybreaker count a failure."""


def _fail() -> None:
    raise _ReportedFailure


def _succeed() -> None:
    """Make pybreaker count a success."""


class CircuitBreakerGuard:
    """Guard the calls to one neighbour; safe to share between threads and greenlets."""

    def __init__(
        self,
        name: str,
        policy: BreakerPolicy | None = None,
        *,
        clock: Clock | None = None,
        random: Callable[[], float] = random.random,
    ) -> None:
        """Start closed; ``random`` gives numbers from 0 to 1 for the jitter."""
        self.name = name
        self.policy = policy or BreakerPolicy()
        self._clock = clock or SystemClock()
        self._random = random
        # Reentrant, so that a listener may look at the guard.
        self._lock = threading.RLock()
        self._listeners: list[Listener] = []
        self._window: deque[Outcome] = deque(maxlen=self.policy.window)
        self._state = BreakerState.CLOSED
        self._generation = 0
        self._trials = 0
        self._trials_lost_at = 0.0
        self._open_seconds = 0.0
        self._open_until = 0.0
        self._machine = pybreaker.CircuitBreaker(
            fail_max=self.policy.failure_threshold,
            success_threshold=self.policy.trial_calls,
            throw_new_error_on_trip=False,
        )

    @property
    def state(self) -> BreakerState:
        """Return the state; an open breaker turns half-open when the next call asks."""
        return self._state

    @property
    def window(self) -> tuple[Outcome, ...]:
        """Return the outcomes that the rates are taken over, oldest first."""
        with self._lock:
            return tuple(self._window)

    def add_listener(self, listener: Listener) -> None:
        """Tell ``listener`` of each change of state from now on."""
        self._listeners.append(listener)

    def acquire(self) -> Permit:
        """Return the permit for one call; the caller must settle it, best in a ``with`` block.

        Raises:
            CircuitOpen: when no call may be made now.
        """
        with self._lock:
            now = self._clock.monotonic()
            if self._state is BreakerState.OPEN and now >= self._open_until:
                self._drive("the open time is over", self._machine.half_open)
            if self._state is BreakerState.HALF_OPEN:
                self._take_trial(now)
            elif self._state in {BreakerState.OPEN, BreakerState.FORCED_OPEN}:
                raise self._refusal(self._open_until - now)
            return Permit(self, self._generation)

    def settle(self, permit: Permit, outcome: Outcome) -> None:
        """Take the outcome of a call; permits do this for their holders."""
        with self._lock:
            if permit.generation != self._generation:
                return
            if self._state is BreakerState.HALF_OPEN:
                self._count_trial(outcome)
            elif self._state is BreakerState.CLOSED:
                self._count(outcome)

    def force_open(self) -> None:
        """Refuse every call until :meth:`reset_forced`."""
        with self._lock:
            self._enter(BreakerState.FORCED_OPEN, "forced by an operator")

    def force_closed(self) -> None:
        """Let every call through, whatever its outcome, until :meth:`reset_forced`."""
        with self._lock:
            self._enter(BreakerState.FORCED_CLOSED, "forced by an operator")

    def reset_forced(self) -> None:
        """Go back to normal, closed and with nothing counted; does nothing when not forced."""
        with self._lock:
            if self._state in {BreakerState.FORCED_OPEN, BreakerState.FORCED_CLOSED}:
                self._drive("released by an operator", self._machine.close)

    def _refusal(self, seconds: float) -> CircuitOpen:
        return CircuitOpen(f"Calls to {self.name} are paused.", retry_after_seconds=max(1, seconds))

    def _take_trial(self, now: float) -> None:
        if self._trials >= self.policy.trial_calls and now >= self._trials_lost_at:
            # Whoever held the missing permits is gone: without this, nobody could ever try again.
            self._trials = self._machine.success_counter
            self._generation += 1
        if self._trials >= self.policy.trial_calls:
            raise self._refusal(1)
        self._trials += 1
        self._trials_lost_at = now + self.policy.trial_timeout_seconds

    def _count_trial(self, outcome: Outcome) -> None:
        if outcome is Outcome.RELEASED:
            self._trials -= 1
        elif outcome in {Outcome.FAILED, Outcome.SLOW}:
            self._drive(f"a trial call was reported {outcome}", self._machine.call, _fail)
        else:
            self._drive("the trial calls succeeded", self._machine.call, _succeed)

    def _count(self, outcome: Outcome) -> None:
        if outcome in {Outcome.NEUTRAL, Outcome.RELEASED}:
            return
        self._window.append(outcome)
        report = _fail if outcome is Outcome.FAILED else _succeed
        self._drive("too many failures in a row", self._machine.call, report)
        calls = len(self._window)
        if self._state is BreakerState.CLOSED and calls >= self.policy.minimum_calls:
            failed = self._window.count(Outcome.FAILED)
            bad = failed + self._window.count(Outcome.SLOW)
            if failed >= self.policy.failure_rate * calls or bad >= self.policy.slow_rate * calls:
                reason = f"of {calls} calls {failed} failed and {bad - failed} were slow"
                self._drive(reason, self._machine.open)

    def _drive(self, reason: str, step: Callable[..., object], *args: object) -> None:
        """Let pybreaker take a step, and follow it if that changed its state."""
        with suppress(_ReportedFailure):
            step(*args)
        if self._machine.current_state != self._state:
            self._enter(BreakerState(self._machine.current_state), reason)

    def _enter(self, new: BreakerState, reason: str) -> None:
        old, self._state = self._state, new
        self._generation += 1
        self._trials = 0
        self._window.clear()
        if new is BreakerState.OPEN:
            again = old is BreakerState.HALF_OPEN
            self._open_seconds = 2 * self._open_seconds if again else self.policy.open_seconds
            varied = self._open_seconds * (1 + self.policy.jitter * (2 * self._random() - 1))
            self._open_until = self._clock.monotonic() + min(varied, self.policy.max_open_seconds)
        for listener in self._listeners:
            listener(self.name, old, new, reason)
