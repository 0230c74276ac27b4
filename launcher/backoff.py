"""Decide how long a dead service waits before it starts again.

At once the first time, then after 0.2 s, doubling to at most 2 s; 10 s of health make all of it
forgotten.
"""

from typing import Final

from chassis.clock import Clock

FIRST_DELAY_SECONDS: Final = 0.2
LONGEST_DELAY_SECONDS: Final = 2.0
FORGIVING_SECONDS: Final = 10.0


class RestartSchedule:
    """Remember the recent deaths of one service."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._deaths = 0
        self._healthy_since: float | None = None

    def record_health(self) -> None:
        """Note that the service answers from now on."""
        self._healthy_since = self._clock.monotonic()

    def record_death(self) -> float:
        """Note that the service died, and return the seconds to wait before it starts again."""
        if self._was_healthy_for_long():
            self._deaths = 0
        self._healthy_since = None
        self._deaths += 1
        if self._deaths == 1:
            return 0.0
        # The exponent is bounded, because a service can die for days.
        doubled: float = FIRST_DELAY_SECONDS * 2 ** min(self._deaths - 2, 10)
        return min(doubled, LONGEST_DELAY_SECONDS)

    def _was_healthy_for_long(self) -> bool:
        since = self._healthy_since
        return since is not None and self._clock.monotonic() - since >= FORGIVING_SECONDS
