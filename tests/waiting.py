"""Wait for what is about to become true."""

import time
from collections.abc import Callable


def wait_until(
    holds: Callable[[], object], seconds: float = 10, every_seconds: float = 0.02
) -> None:
    """Return once ``holds`` is true, or fail after so many seconds."""
    started = time.monotonic()
    while not holds():
        assert time.monotonic() - started < seconds, "it did not become true"
        time.sleep(every_seconds)
