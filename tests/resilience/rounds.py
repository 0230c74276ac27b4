"""Say how often a run goes round: a little in ``make test``, in full in ``make test-long``."""

import os

import pytest

VARIABLE = "ROUNDS"
FULL_PERCENT = 100
LONG_SECONDS = 1800


def rounds(*, short: int | None, full: int) -> pytest.MarkDecorator:
    """Give a test its number of ``rounds``.

    Args:
        short: in the usual tests; None leaves it out of them.
        full: in the long ones, of which ``ROUNDS`` asks for some percent.
    """
    long = pytest.param(
        scaled(full, short or 1),
        marks=[pytest.mark.long, pytest.mark.timeout(LONG_SECONDS)],
        id="long",
    )
    usual = [] if short is None else [pytest.param(short, id="short")]
    return pytest.mark.parametrize("rounds", [*usual, long])


def scaled(full: int, least: int) -> int:
    """Return as much of a number as the environment asks for."""
    percent = int(os.environ.get(VARIABLE) or FULL_PERCENT)
    return max(least, full * percent // FULL_PERCENT)
