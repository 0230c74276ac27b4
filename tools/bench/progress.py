"""Show on a terminal how far long work has got."""

import sys
from typing import Final

WIDTH: Final = 40


class Progress:
    """Draw one bar; where the output is no terminal, only say what is done at the end."""

    def __init__(self, label: str, total: int) -> None:
        """Begin at nothing of ``total`` parts."""
        self._label = label
        self._total = total
        self._done = 0
        self._is_terminal = sys.stderr.isatty()

    def add(self, parts: int = 1) -> None:
        """Get on by some parts."""
        self._done += parts
        if self._is_terminal:
            filled = WIDTH * self._done // self._total
            bar = "█" * filled + "·" * (WIDTH - filled)
            sys.stderr.write(f"\r{self._label} {bar} {100 * self._done // self._total:3} %")
            sys.stderr.flush()
        if self._done == self._total:
            sys.stderr.write("\n" if self._is_terminal else f"{self._label}: done\n")
