"""Start the services, bring back those that die, and stop all of them together."""

import os
import signal
import socket
from collections.abc import Callable, Mapping
from typing import Final

from chassis.config import EXIT_CONFIG
from launcher.children import Child
from launcher.console import Console
from launcher.loop import READ, Loop, Signals
from launcher.plan import GATEWAY, Plan
from launcher.progress import Progress
from launcher.runfiles import RunFiles
from launcher.spawn import Closeable, spawn

STOP_SIGNALS: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
GRACE_SECONDS: Final = 10.0
# The gateway stops first, so that requests under way still find the services behind it.
EDGE_FIRST_SECONDS: Final = 1.5
# Several services may refuse the same configuration; all of them get to say why, within this time.
REFUSAL_SECONDS: Final = 10.0
# A second Ctrl-C, after this time, kills at once.
SAME_WISH_SECONDS: Final = 0.5


class Supervisor:
    """Own the child processes from the first start to the last end."""

    def __init__(
        self, plan: Plan, listeners: Mapping[str, socket.socket], loop: Loop, console: Console
    ) -> None:
        self._loop = loop
        self._console = console
        self._signals = Signals([*STOP_SIGNALS, signal.SIGCHLD])
        self._runfiles = RunFiles(plan.config.data_dir)
        self._progress = Progress(plan, console, loop)
        self._children = [
            Child(service, listeners[service.name], loop, console) for service in plan.services
        ]
        self._stopping = False
        self._impatient = False
        self._refused = False
        self._exit_status = 0

    def run(self, warm_up: Callable[[], None]) -> int:
        """Run the shop until it is told to stop, and return the exit status.

        Args:
            warm_up: called once, when the gateway is started and before the others are forked.
        """
        self._signals.install()
        self._loop.watch(self._signals.fileno(), READ, self._handle_signals)
        self._progress.begin()
        try:
            self._start_all(warm_up)
            self._loop.run()
        finally:
            self._end()
        return self._exit_status

    def _start_all(self, warm_up: Callable[[], None]) -> None:
        # The gateway starts a fresh interpreter, which takes as long as importing everything here.
        first = [child for child in self._children if child.name == GATEWAY]
        rest = [child for child in self._children if child.name != GATEWAY]
        for child in first:
            self._start(child)
        warm_up()
        for child in rest:
            self._start(child)

    def _start(self, child: Child) -> None:
        if self._stopping:
            return
        pid, output = spawn(child.service, child.listener, self._not_for(child))
        self._runfiles.write(child.service, pid)
        child.started(pid, output, lambda: self._record_readiness(child))

    def _not_for(self, child: Child) -> list[Closeable]:
        others = [other.listener for other in self._children if other is not child]
        return [self._signals, *others, *(other for other in self._children)]

    def _record_readiness(self, child: Child) -> None:
        self._progress.record(child.name)
        self._stop_if_refused()

    def _handle_signals(self) -> None:
        received = self._signals.received()
        if signal.SIGCHLD in received:
            self._reap()
        if STOP_SIGNALS.intersection(received):
            self._obey(insists=signal.SIGINT in received)

    def _reap(self) -> None:
        by_pid = {child.pid: child for child in self._children}
        while (ended := _next_ended()) is not None:
            pid, status = ended
            # As the first process of a container, this one also inherits strangers' children.
            if pid in by_pid:
                self._record_end(by_pid[pid], status)
        if self._stopping and not self._alive():
            self._loop.stop()

    def _record_end(self, child: Child, status: int) -> None:
        delay_seconds = child.ended()
        if self._stopping:
            self._runfiles.remove(child.service)
            if child.name == GATEWAY:
                self._terminate_all()
        elif status == EXIT_CONFIG:
            self._refuse(child)
        else:
            when = f"in {delay_seconds:.1f} s" if delay_seconds else "now"
            self._console.line(f"{child.name} {_described(status)}; it starts again {when}")
            self._loop.call_later(delay_seconds, lambda: self._start(child))
        self._stop_if_refused()

    def _refuse(self, child: Child) -> None:
        self._console.line(f"{child.name} can't run with this configuration (see above)")
        self._refused = True
        self._loop.call_later(REFUSAL_SECONDS, lambda: self._stop(EXIT_CONFIG))

    def _stop_if_refused(self) -> None:
        """Stop when a service has refused, and no other one can still do so too."""
        if self._refused and all(child.settled for child in self._children):
            self._stop(EXIT_CONFIG)

    def _obey(self, *, insists: bool) -> None:
        # One wish to stop can come as two signals, to the process and to its group.
        if not self._stopping:
            self._stop(0)
            self._loop.call_later(SAME_WISH_SECONDS, self._become_impatient)
        elif insists and self._impatient:
            self._kill_all()

    def _become_impatient(self) -> None:
        self._impatient = True

    def _stop(self, exit_status: int) -> None:
        if self._stopping:
            return
        self._stopping = True
        self._exit_status = exit_status
        self._progress.end()
        self._console.line("stopping")
        for child in self._children:
            child.listener.close()
        edge = [child for child in self._alive() if child.name == GATEWAY]
        for child in edge:
            child.signal(signal.SIGTERM)
        self._loop.call_later(EDGE_FIRST_SECONDS if edge else 0.0, self._terminate_all)
        self._loop.call_later(GRACE_SECONDS, self._kill_all)
        if not self._alive():
            self._loop.stop()

    def _terminate_all(self) -> None:
        for child in self._alive():
            child.signal(signal.SIGTERM)

    def _kill_all(self) -> None:
        for child in self._alive():
            self._console.line(f"{child.name} did not stop in time and is killed")
            child.signal(signal.SIGKILL)

    def _alive(self) -> list[Child]:
        return [child for child in self._children if child.pid is not None]

    def _end(self) -> None:
        """Leave nothing behind, whatever brought us here."""
        for child in self._alive():
            child.signal(signal.SIGKILL)
            os.waitpid(child.pid or 0, 0)
        for child in self._children:
            child.drain_output()
            child.listener.close()
            self._runfiles.remove(child.service)
        self._progress.end()
        self._console.line("stopped")
        self._console.finish()
        self._signals.restore()


def _next_ended() -> tuple[int, int] | None:
    """Return the process id and exit status of a child that has ended, None when there is none."""
    try:
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return (pid, os.waitstatus_to_exitcode(status)) if pid else None


def _described(status: int) -> str:
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"
