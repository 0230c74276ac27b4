"""Die at a named point, as a process does that is killed, so that tests can show the recovery.

Pattern: Fault injection.  Nothing is armed unless ``CRASH_POINT`` is set, which production refuses.
"""

import os

EXIT_KILLED = 137  # What a shell reports after SIGKILL.

_armed = ""


def arm(point: str) -> None:
    """Have the process die when it comes by ``point``; nothing disarms it."""
    global _armed  # noqa: PLW0603 - as the death that it brings, it belongs to the whole process.
    _armed = point


def here(point: str) -> None:
    """Die, without any clean-up, if this is the armed point; ``point`` reads ``service:place``."""
    if _armed and point == _armed:
        os._exit(EXIT_KILLED)
