"""Fixtures for calls to neighbours."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from chassis.outbound.tests.neighbours import Behaviour, Callee
from chassis.testing import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def start_callee() -> Iterator[Callable[[Behaviour], Callee]]:
    with ExitStack() as stack:

        def start(behave: Behaviour) -> Callee:
            callee = Callee(behave)
            stack.callback(callee.close)
            return callee

        yield start
