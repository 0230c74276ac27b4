"""Show people who watch a long run how far it is and what it measured."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

import pytest

SECONDS_BETWEEN_LINES = 10.0

Item = TypeVar("Item")


class Progress:
    """Write below pytest's own output; silent in the short runs, which are over at once."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        plugins = request.config.pluginmanager
        self._reporter = plugins.getplugin("terminalreporter")
        self._capture = plugins.getplugin("capturemanager")
        self._name = request.node.name.removeprefix("test_")
        self._silent = request.node.get_closest_marker("long") is None
        self._shown_at = time.monotonic()

    def rounds(self, items: Iterable[Item], total: int) -> Iterator[Item]:
        """Yield the items, and show which of ``total`` is under way."""
        for number, item in enumerate(items, 1):
            self.at(number, total)
            yield item

    def at(self, number: int, total: int) -> None:
        """Show which round is under way: on one line of a terminal, or now and then elsewhere."""
        text = f"{self._name}: {number} of {total}"
        if self._silent:
            return
        with self._capture.global_and_fixture_disabled():
            if self._reporter.isatty:
                self._reporter.rewrite(text, erase=True)
            elif time.monotonic() - self._shown_at > SECONDS_BETWEEN_LINES:
                self._shown_at = time.monotonic()
                self._reporter.write_line(text)

    def measured(self, text: str) -> None:
        """Show a figure, for good."""
        if not self._silent:
            with self._capture.global_and_fixture_disabled():
                if self._reporter.isatty:
                    self._reporter.rewrite("", erase=True)
                self._reporter.ensure_newline()
                self._reporter.write_line(f"{self._name}: {text}")
