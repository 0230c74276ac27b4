"""Tell the time through an object that is passed in, so that tests can hold it still."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Give wall time for records and monotonic time for intervals."""

    def now(self) -> datetime:
        """Return the wall time as an aware UTC datetime."""
        ...

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start that never run backwards."""
        ...


class SystemClock:
    """Read the clocks of the machine."""

    def now(self) -> datetime:
        """Return the wall time as an aware UTC datetime."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start that never run backwards."""
        return time.monotonic()
