"""Show how far the start has come, and then where to click."""

from typing import Final

from launcher.console import Console
from launcher.loop import Loop
from launcher.plan import GATEWAY, Plan

TICK_SECONDS: Final = 0.1
PATIENCE_SECONDS: Final = 15.0
DEMO_USERS: Final = "Sign in as alice with the password alice, or as the operator admin / admin."


class Progress:
    """Tell who is ready and who is awaited, until all are."""

    def __init__(self, plan: Plan, console: Console, loop: Loop) -> None:
        self._plan = plan
        self._console = console
        self._loop = loop
        self._awaited = [service.name for service in plan.services]
        self._ended = False
        self._began = loop.clock.monotonic()

    def begin(self) -> None:
        """Start to show the way to readiness."""
        if not self._console.is_terminal:
            self._console.line(f"starting {', '.join(self._awaited)}")
        self._tick()
        self._loop.call_later(PATIENCE_SECONDS, self._complain)

    def record(self, name: str) -> None:
        """Take note that a service is ready; safe to call again after a restart."""
        if self._ended:
            return
        if name not in self._awaited:
            self._console.line(f"{name} is ready again")
            return
        self._awaited.remove(name)
        if not self._console.is_terminal:
            self._console.line(f"{name} is ready ({self._seconds():.1f} s)")
        if not self._awaited:
            self._announce()

    def end(self) -> None:
        """Show no more progress: the shop stops."""
        self._ended = True
        self._awaited = []
        self._console.status("")

    def _tick(self) -> None:
        if self._awaited and self._console.is_terminal:
            waiting = ", ".join(self._awaited)
            self._console.status(f"starting, {self._seconds():.1f} s: waiting for {waiting}")
            self._loop.call_later(TICK_SECONDS, self._tick)

    def _complain(self) -> None:
        if self._awaited:
            self._console.line(f"still waiting for {', '.join(self._awaited)}")

    def _announce(self) -> None:
        self._console.status("")
        self._console.text("\n".join(["", *self._invitation(), ""]))

    def _invitation(self) -> list[str]:
        names = [service.name for service in self._plan.services]
        lines = [f"Ready after {self._seconds():.1f} s."]
        if GATEWAY in names:
            lines = [f"The shop is open: http://localhost:{self._plan.port}/  ({lines[0][:-1]})"]
        if GATEWAY in names and self._plan.config.environment == "development":
            lines.append(DEMO_USERS)
        return [*lines, "Press Ctrl-C to stop."]

    def _seconds(self) -> float:
        return self._loop.clock.monotonic() - self._began
