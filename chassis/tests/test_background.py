"""Show a chore that is repeated beside the requests."""

import logging
import threading

import pytest

from chassis.background import Background
from chassis.errors import Unavailable


@pytest.fixture
def repeat():
    """Start chores, and stop them at the end."""
    started = []

    def repeat(chore, pause_seconds=60.0):
        started.append(Background("the chore", chore, pause_seconds))
        return started[-1]

    yield repeat
    for background in started:
        background.stop()


def test_chore_is_repeated(repeat):
    turns = threading.Semaphore(0)

    repeat(turns.release, 0.001)

    assert all(turns.acquire(timeout=5) for _ in range(3))


def test_waking_makes_the_pause_short(repeat):
    turns = threading.Semaphore(0)
    background = repeat(turns.release)

    background.wake()

    assert turns.acquire(timeout=5)
    assert not turns.acquire(timeout=0.05)


def test_stop_waits_for_the_turn_under_way(repeat):
    begun, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def chore():
        begun.set()
        may_end.wait(5)
        ended.set()

    background = repeat(chore)
    background.wake()
    begun.wait(5)
    threading.Timer(0.05, may_end.set).start()
    background.stop()

    assert ended.is_set()


@pytest.mark.parametrize(
    ("error", "level"), [(Unavailable("away"), logging.WARNING), (KeyError("x"), logging.ERROR)]
)
def test_turn_that_fails_is_logged_and_the_next_one_comes(repeat, caplog, error, level):
    turns = threading.Semaphore(0)

    def chore():
        turns.release()
        raise error

    repeat(chore, 0.001)

    assert all(turns.acquire(timeout=5) for _ in range(3))
    first = caplog.records[0]
    assert first.levelno == level
    assert first.getMessage().startswith("the chore")
