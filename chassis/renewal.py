"""Keep something that expires, such as a key set or a token, and renew it in good time.

While the old one is usable, nobody waits for the new one: it is fetched in the background, and the
old one outlives its source for a while.  Whoever comes when there is none waits for one fetch, and
where it is wanted also whoever comes first after a long pause, in which nobody had it renewed.
"""

import logging
import threading
from collections.abc import Callable
from contextvars import Context
from typing import Generic, TypeVar

from chassis.clock import Clock, SystemClock
from chassis.errors import Unavailable

# How long to leave a source alone after it failed.
RETRY_SECONDS = 1.0
# What is refused so soon after it was fetched would not be better the next time.
YOUNG_SECONDS = 5.0

Value = TypeVar("Value")

logger = logging.getLogger(__name__)


class Renewed(Generic[Value]):
    """Give what was fetched last, as long as it is usable; shared by all threads."""

    def __init__(
        self,
        name: str,
        fetch: Callable[[], tuple[Value, float, float]],
        clock: Clock | None = None,
        *,
        without: str,
        overdue_seconds: float = float("inf"),
    ) -> None:
        """Fetch nothing yet.

        Args:
            name: what is kept here, for logs.
            fetch: returns it, the seconds until it should be renewed, and those that it is usable.
            clock: the time.
            without: what a caller is told while there is none.
            overdue_seconds: how long after it was due a caller waits for the new one; longer than
                a fetch may take, so that nobody waits for a source that is away.
        """
        self._name = name
        self._without = without
        self._overdue_seconds = overdue_seconds
        self._fetch = fetch
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._value: Value
        self._fetched_at = self._due_at = self._usable_until = float("-inf")

    def get(self) -> Value:
        """Return what was fetched last.

        Raises:
            Unavailable: when that is not usable any more, and no other can be had.
        """
        now = self._clock.monotonic()
        if now >= min(self._usable_until, self._due_at + self._overdue_seconds):
            self._renew()
            if self._clock.monotonic() >= self._usable_until:
                raise Unavailable(self._without, retry_after_seconds=RETRY_SECONDS)
        elif now >= self._due_at and not self._lock.locked():
            threading.Thread(target=self._renew, name=self._name, daemon=True).start()
        return self._value

    def reject(self, value: Value) -> bool:
        """Drop what somebody has refused, unless it is new; tell whether there may be a better one.

        It is called with what :meth:`get` has returned.
        """
        if value != self._value:
            return True
        if self._clock.monotonic() - self._fetched_at < YOUNG_SECONDS:
            return False
        self._due_at = self._usable_until = float("-inf")
        return True

    def _renew(self) -> None:
        with self._lock:
            # Somebody else may have tried while this caller waited.
            if self._clock.monotonic() < self._due_at:
                return
            try:
                # It is for everybody: the deadline of the caller at hand must not end it.
                self._value, fresh_seconds, usable_seconds = Context().run(self._fetch)
            except Exception as error:  # noqa: BLE001 - whatever the source says, the old one stays.
                logger.warning("the %s could not be renewed: %r", self._name, error)
                self._due_at = self._clock.monotonic() + RETRY_SECONDS
            else:
                self._fetched_at = self._clock.monotonic()
                self._due_at = self._fetched_at + fresh_seconds
                self._usable_until = self._fetched_at + usable_seconds
