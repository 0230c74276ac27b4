"""Read the graph of an order's states from the drawing in the documentation."""

import re
from collections.abc import Iterator

from tests.docs.pages import blocks, text_of

PAGE = "docs/architecture.md"
STATE = re.compile(r"[a-z]+(?:_[a-z]+)*")
ARROW_RIGHT = re.compile(r" ─+▶ ([a-z_]+)")

Edge = tuple[str, str]


def drawn_edges() -> set[Edge]:
    """Return the edges of the drawing: what an arrow from one name to another says."""
    [drawing] = [block for block in blocks(text_of(PAGE), "") if "payment_pending ──▶" in block]
    return edges_of(drawing)


def edges_of(drawing: str) -> set[Edge]:
    """Return the edges of a drawing, whose arrows go to the right or straight down."""
    lines = drawing.splitlines()
    names = [(row, match) for row, line in enumerate(lines) for match in STATE.finditer(line)]
    edges = {(name[0], target) for row, name in names for target in _right(lines[row], name.end())}
    for row, name in names:
        for column in range(name.start(), name.end()):
            edges |= {(name[0], target) for target in _down(lines, row + 1, column)}
    return edges


def _right(line: str, end: int) -> Iterator[str]:
    arrow = ARROW_RIGHT.match(line, end)
    if arrow:
        yield arrow[1]


def _down(lines: list[str], row: int, column: int) -> Iterator[str]:
    start = row
    while _at(lines, row, column) == "│":
        row += 1
    if row > start:
        # An arrow that leads nowhere is a mistake in the drawing, and must not go unseen.
        assert _at(lines, row, column) == "▼", f"line {row + 1}, column {column + 1}"
        [name] = [n for n in STATE.finditer(lines[row + 1]) if n.start() <= column < n.end()]
        yield name[0]


def _at(lines: list[str], row: int, column: int) -> str:
    line = lines[row] if row < len(lines) else ""
    return line[column : column + 1]
