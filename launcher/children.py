"""Keep what the launcher knows of one service's process."""

import contextlib
import os
import signal
import socket
from collections.abc import Callable

from launcher.backoff import RestartSchedule
from launcher.console import Console
from launcher.logs import LogStream
from launcher.loop import Loop
from launcher.plan import Service
from launcher.readiness import ReadinessProbe


class Child:
    """Follow one service through its lives; ``pid`` is None between them.

    It is ``settled`` once it was ready or ended for the first time.
    """

    def __init__(
        self, service: Service, listener: socket.socket, loop: Loop, console: Console
    ) -> None:
        self.service = service
        self.listener = listener
        self.pid: int | None = None
        self.settled = False
        self._loop = loop
        self._console = console
        self._schedule = RestartSchedule(loop.clock)
        self._logs: LogStream | None = None
        self._probe: ReadinessProbe | None = None

    @property
    def name(self) -> str:
        """Return the service's name."""
        return self.service.name

    def started(self, pid: int, output: int, on_ready: Callable[[], object]) -> None:
        """Take note of a new process, show its output and ask when it is ready."""

        def ready() -> None:
            self._schedule.record_health()
            self.settled = True
            on_ready()

        self.drain_output()
        self.pid = pid
        self._logs = LogStream(self.name, output, self._loop, self._console)
        self._probe = ReadinessProbe(self.service, self._loop, ready)
        self._probe.ask()

    def ended(self) -> float:
        """Take note of the process's end, and return the seconds to wait before the next."""
        self.pid = None
        self.settled = True
        if self._probe is not None:
            self._probe.cancel()
        self.drain_output()
        return self._schedule.record_death()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; it is no error when the process has just ended."""
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def drain_output(self) -> None:
        """Show the rest of an ended process's output."""
        if self._logs is not None:
            self._logs.drain()

    def close(self) -> None:
        """Close, in another service's process, what follows this one."""
        if self._logs is not None:
            self._logs.close()
        if self._probe is not None:
            self._probe.close()
