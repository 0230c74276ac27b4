"""Say how often a run goes round: a little in ``make test``, in full in ``make test-long``."""

import os
from collections.abc import Sequence

import pytest

VARIABLE = "ROUNDS"
FULL_PERCENT = 100
LONG_SECONDS = 1800


def rounds(*, short: int | None, full: int) -> pytest.MarkDecorator:
    """Give a test its number of ``rounds``.

    Args:
        short: in the usual tests; None leaves it out of them.
        full: in the long ones, of which ``ROUNDS`` asks for some percent; they go on each kind of
            database that the test's shop can have.
    """
    return pytest.mark.rounds(short=short, full=full)


def parametrize(metafunc: pytest.Metafunc, kinds: Sequence[str]) -> None:
    """Let a test run as it was told with :func:`rounds`, the short form on the first kind."""
    marker = metafunc.definition.get_closest_marker("rounds")
    has_kind = "kind" in metafunc.fixturenames
    if marker and has_kind:
        cases = _cases(kinds=kinds, **marker.kwargs)
        metafunc.parametrize(("rounds", "kind"), cases, indirect=["kind"], scope="session")
    elif marker:
        metafunc.parametrize("rounds", _cases(kinds=None, **marker.kwargs))
    elif has_kind:
        metafunc.parametrize("kind", kinds[:1], indirect=True, scope="session")


def _cases(short: int | None, full: int, kinds: Sequence[str] | None) -> list[object]:
    """Return the values of each run, with the kind of database where the test has some."""
    many = scaled(full, short or 1)
    usual, long = ([[]], [[]]) if kinds is None else ([kinds[:1]], [[kind] for kind in kinds])
    marks = [pytest.mark.long, pytest.mark.timeout(LONG_SECONDS)]
    cases: list[object] = [
        pytest.param(many, *kind, marks=marks, id="-".join(["long", *kind])) for kind in long
    ]
    if short is not None:
        cases += [pytest.param(short, *kind, id="-".join(["short", *kind])) for kind in usual]
    return cases


def scaled(full: int, least: int) -> int:
    """Return as much of a number as the environment asks for."""
    percent = int(os.environ.get(VARIABLE) or FULL_PERCENT)
    return max(least, full * percent // FULL_PERCENT)
