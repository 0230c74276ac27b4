"""Wait for files, signals and time in one thread, so that the process can fork safely.

Pattern: Reactor (Schmidt).  It polls instead of using epoll, because an epoll set is shared with
forked children, and because standard output may be a regular file.
"""

import contextlib
import heapq
import itertools
import selectors
import signal
import socket
from collections.abc import Callable, Iterable
from typing import Final

from chassis.clock import Clock, SystemClock

Callback = Callable[[], object]
READ: Final = selectors.EVENT_READ
WRITE: Final = selectors.EVENT_WRITE


class Loop:
    """Call back when a file is ready, a signal has come, or a time is up."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or SystemClock()
        self._selector = selectors.PollSelector()
        self._timers: list[tuple[float, int, Callback]] = []
        self._order = itertools.count()
        self._stopped = False

    def watch(self, file: int, events: int, callback: Callback) -> None:
        """Call back each time that the file is ready for one of the events."""
        self._selector.register(file, events, callback)

    def unwatch(self, file: int) -> None:
        """Stop watching a file; safe to call twice."""
        with contextlib.suppress(KeyError):
            self._selector.unregister(file)

    def call_later(self, seconds: float, callback: Callback) -> None:
        """Call back once, after so many seconds."""
        due = self.clock.monotonic() + seconds
        heapq.heappush(self._timers, (due, next(self._order), callback))

    def run(self) -> None:
        """Wait and call back until :meth:`stop`, which may have come before."""
        while not self._stopped:
            self.turn(self._seconds_to_next_timer())

    def stop(self) -> None:
        """End :meth:`run` after the callbacks under way."""
        self._stopped = True

    def turn(self, timeout_seconds: float | None) -> None:
        """Wait once, at most so long, and make the calls that are due."""
        for key, _ in self._selector.select(timeout_seconds):
            # An earlier callback of this turn may have closed the file.
            if self._selector.get_map().get(key.fd) is key:
                key.data()
        while self._timers and self._timers[0][0] <= self.clock.monotonic():
            heapq.heappop(self._timers)[2]()

    def _seconds_to_next_timer(self) -> float | None:
        if not self._timers:
            return None
        return max(0.0, self._timers[0][0] - self.clock.monotonic())


class Signals:
    """Turn signals into events of a loop, so that no code is interrupted half-way."""

    def __init__(self, wanted: Iterable[signal.Signals]) -> None:
        self._wanted = tuple(wanted)
        self._reader, self._writer = socket.socketpair()
        for end in (self._reader, self._writer):
            end.settimeout(0)

    def fileno(self) -> int:
        """Return the file that becomes readable when a signal has come."""
        return self._reader.fileno()

    def install(self) -> None:
        """Take over the wanted signals of this process; one that nohup ignores stays ignored."""
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in self._wanted:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, _leave_to_the_loop)

    def restore(self) -> None:
        """Give the signals back to the system's defaults, as a child or on the way out."""
        signal.set_wakeup_fd(-1)
        for number in self._wanted:
            signal.signal(number, signal.SIG_DFL)

    def received(self) -> list[int]:
        """Return the numbers of the signals that came since the last call."""
        try:
            return list(self._reader.recv(4096))
        except BlockingIOError:
            return []

    def close(self) -> None:
        """Close both ends."""
        self._reader.close()
        self._writer.close()


def _leave_to_the_loop(_number: int, _frame: object) -> None:
    """Do nothing: the number has already been written to the wakeup file."""
