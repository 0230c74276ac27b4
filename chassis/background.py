"""Repeat a chore on a thread of its own, beside the requests."""

import logging
import threading
from collections.abc import Callable

from chassis.errors import ServiceError

logger = logging.getLogger(__name__)


class Background:
    """Do a chore every few seconds, and at once when woken, until stopped."""

    def __init__(self, name: str, chore: Callable[[], object], pause_seconds: float) -> None:
        """Start the thread, called ``name``; the first turn comes after the first pause."""
        self._chore = chore
        self._pause_seconds = pause_seconds
        self._woken = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Have the next turn now instead of after the pause."""
        self._woken.set()

    def stop(self) -> None:
        """End after the turn that is under way, and wait for it."""
        self._stopped = True
        self.wake()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._woken.wait(self._pause_seconds)
            self._woken.clear()
            if self._stopped:
                return
            try:
                self._chore()
            except ServiceError as error:
                logger.warning("%s has to wait: %s", self._thread.name, error)
            except Exception:
                # One item that can't be handled must not keep all others from being finished.
                logger.exception("%s failed", self._thread.name)
