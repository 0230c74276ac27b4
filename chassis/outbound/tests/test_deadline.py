import threading

import pytest

from chassis.errors import DeadlineExceeded
from chassis.outbound import deadline
from chassis.outbound.deadline import HEADER, Deadline


@pytest.fixture(autouse=True)
def _no_deadline_left():
    yield
    deadline.begin({})


@pytest.mark.parametrize(("value", "seconds"), [("1", 0.001), ("250", 0.25), ("60000", 60.0)])
def test_whole_milliseconds_are_read(value, seconds):
    assert deadline.parse_seconds(value) == seconds


@pytest.mark.parametrize(
    "value", [None, "", "0", "60001", "100000", "-5", "+5", "1.5", "1e3", " 5", "5 ", "١٢", "5, 6"]
)
def test_anything_else_is_ignored(value):
    assert deadline.parse_seconds(value) is None


def test_timeout_is_cut_to_what_is_left(clock):
    ends = Deadline(1, clock)
    clock.advance(0.75)

    assert ends.clamp(0.1) == 0.1
    assert ends.clamp(0.5) == 0.25


def test_nothing_is_begun_after_the_deadline(clock):
    ends = Deadline(1, clock)
    clock.advance(1)

    assert ends.remaining() == 0
    with pytest.raises(DeadlineExceeded):
        ends.clamp(0.5)


def test_each_hop_gets_strictly_less_even_when_no_time_passes(clock):
    budgets = [1000]

    while len(budgets) < 4:
        deadline.begin({HEADER: str(budgets[-1])}, clock)
        budgets.append(int(deadline.within(60, clock).header_value()))

    assert budgets == [1000, 999, 998, 997]


def test_last_millisecond_is_not_passed_on(clock):
    with pytest.raises(DeadlineExceeded):
        Deadline(0.001, clock).header_value()


def test_call_inherits_the_sooner_deadline(clock):
    deadline.begin({HEADER: "500"}, clock)

    assert deadline.within(1, clock).remaining() == pytest.approx(0.5)
    assert deadline.within(0.1, clock).remaining() == pytest.approx(0.1)


def test_request_without_the_header_forgets_the_deadline_before_it(clock):
    deadline.begin({HEADER: "500"}, clock)

    deadline.begin({HEADER: "soon"}, clock)

    assert deadline.within(60, clock).remaining() == 60


def test_requests_on_other_threads_keep_their_own_deadline(clock):
    deadline.begin({HEADER: "500"}, clock)
    seen = []

    def note() -> None:
        seen.append(deadline.within(60, clock).remaining())

    thread = threading.Thread(target=note)
    thread.start()
    thread.join()
    note()

    assert seen == [60, 0.5]
