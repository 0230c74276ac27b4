"""Hold what is renewed against its promises; the key set's and the token's tests show the rest."""

import pytest

from chassis.errors import Unavailable
from chassis.outbound import deadline
from chassis.renewal import Renewed
from chassis.testing import FakeClock
from chassis.tests.threads import join_threads


@pytest.fixture
def _caller_in_a_hurry():
    deadline.begin({deadline.HEADER: "1"})
    yield
    deadline.begin({})


@pytest.mark.usefixtures("_caller_in_a_hurry")
def test_fetch_has_its_own_time_however_little_its_caller_has():
    def fetch() -> tuple[float, float, float]:
        return deadline.within(60).remaining(), 1, 1

    assert Renewed("time", fetch, without="").get() == pytest.approx(60, abs=1)


def test_one_failure_is_enough_until_a_second_has_passed():
    clock, fetched = FakeClock(), []

    def fetch() -> tuple[str, float, float]:
        fetched.append(clock.monotonic())
        if len(fetched) > 1:
            raise OSError
        return "old", 10, 100

    renewed = Renewed("thing", fetch, clock, without="Nothing is here.")
    renewed.get()
    for seconds in (10, 0.5, 0.5, 89):
        clock.advance(seconds)
        if seconds < 89:
            assert renewed.get() == "old"
            join_threads("thing")

    with pytest.raises(Unavailable, match="Nothing is here"):
        renewed.get()
    assert [at - fetched[0] for at in fetched] == [0, 10, 11, 100]
