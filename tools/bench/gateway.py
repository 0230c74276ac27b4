"""Measure what a request costs at the gateway, and at what it is compared with, in one run.

Each round puts every contender under the same load for the same time, one after the other, so that
a slow spell of the machine meets all of them alike; the ratios are taken within a round, and their
median is what counts.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

import click

from tools.bench.contenders import Contender, running
from tools.bench.load import Load, press
from tools.measuring import family_memory_mb, family_processor_ms, show

CONNECTIONS: Final = 32
ROUNDS: Final = 5
SECONDS: Final = 2.0
BARE, OURS, CACHED = "bare Flask view", "gateway, uncached", "gateway, cached"
LIMITS: Final = (
    (OURS, BARE, 1.5),
    (OURS, "articles' gateway", 0.20),
    (OURS, "FastAPI and httpx", 0.25),
    (CACHED, BARE, 1.0),
)
"""At most how many times as much of the processor the first may take as the second."""


@dataclass
class Score:
    """Hold what one contender did; each list has an entry a round."""

    cpu_us: list[float] = field(default_factory=list)
    per_second: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    failures: int = 0
    memory_mb: float = 0.0

    def add(self, load: Load, cpu_ms: float, seconds: float) -> None:
        """Add a round."""
        self.cpu_us.append(1000 * cpu_ms / max(1, load.count))
        self.per_second.append(load.count / seconds)
        self.p50_ms.append(load.percentile(0.5))
        self.p99_ms.append(load.percentile(0.99))
        self.failures += load.failures


@dataclass(frozen=True)
class Table:
    """Hold the scores by contender."""

    scores: dict[str, Score]

    def ratio(self, one: str, other: str) -> float:
        """Return how many times as much of the processor one takes as another."""
        pairs = zip(self.scores[one].cpu_us, self.scores[other].cpu_us, strict=True)
        return median(ours / theirs for ours, theirs in pairs)

    def failures(self) -> list[str]:
        """Return what failed or is above its limit."""
        found = [
            f"{name}: {score.failures} requests failed"
            for name, score in self.scores.items()
            if score.failures
        ]
        for one, other, limit in LIMITS:
            if (ratio := self.ratio(one, other)) > limit:
                found.append(f"{one} takes {ratio:.2f} x {other}, which is above {limit:.2f}")
        return found

    def rows(self) -> Iterator[Sequence[str]]:
        """Yield a header and a row for each contender."""
        yield "", "cpu µs", "x bare", "requests/s", "p50 ms", "p99 ms", "PSS MB"
        for name, score in self.scores.items():
            numbers = (
                f"{median(score.cpu_us):.0f}",
                f"{self.ratio(name, BARE):.2f}",
                f"{median(score.per_second):.0f}",
                f"{median(score.p50_ms):.1f}",
                f"{median(score.p99_ms):.1f}",
                f"{score.memory_mb:.0f}",
            )
            yield name, *numbers

    def lines(self) -> Iterator[str]:
        """Yield the table for a terminal, and the ratios that have a limit."""
        for name, *numbers in self.rows():
            yield f"{name:<20}" + "".join(f"{number:>12}" for number in numbers)
        yield ""
        for one, other, limit in LIMITS:
            yield f"{one} / {other}: {self.ratio(one, other):.2f} (limit {limit:.2f})"


def measure(rounds: int = ROUNDS, seconds: float = SECONDS) -> Table:
    """Measure all contenders.

    Raises:
        ContenderDidNotStart: naming the one.
    """
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as contenders:
        scores = {contender.name: Score() for contender in contenders}
        for contender in contenders:
            press(contender.port, contender.request, CONNECTIONS, seconds / 2)
        turns = [contender for _ in range(rounds) for contender in contenders]
        with click.progressbar(turns, label="Rounds") as bar:
            for contender in bar:
                _play(contender, scores[contender.name], seconds)
        for contender in contenders:
            scores[contender.name].memory_mb = family_memory_mb(contender.pid)
    return Table(scores)


def _play(contender: Contender, score: Score, seconds: float) -> None:
    before = family_processor_ms(contender.pid)
    load = press(contender.port, contender.request, CONNECTIONS, seconds)
    score.add(load, family_processor_ms(contender.pid) - before, seconds)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, and return 1 when something failed or is above its limit."""
    parser = argparse.ArgumentParser(description="Print what a request costs at the gateway.")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="turns of each contender")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="length of a turn")
    options = parser.parse_args(arguments)
    table = measure(options.rounds, options.seconds)
    failures = table.failures()
    show([*table.lines(), *failures])
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
