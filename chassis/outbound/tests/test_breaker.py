import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chassis.outbound.breaker import (
    BreakerPolicy,
    BreakerState,
    CircuitBreakerGuard,
    CircuitOpen,
    Outcome,
    Permit,
)
from chassis.testing import FakeClock

HOUR = 3600
STEADY = BreakerPolicy(jitter=0)


@pytest.fixture
def guard(clock: FakeClock) -> CircuitBreakerGuard:
    return CircuitBreakerGuard("neighbour", STEADY, clock=clock)


def report(guard: CircuitBreakerGuard, *outcomes: str) -> None:
    for outcome in outcomes:
        guard.settle(guard.acquire(), Outcome(outcome))


def fail(guard: CircuitBreakerGuard, times: int = 5) -> None:
    report(guard, *["failed"] * times)


def half_open(guard: CircuitBreakerGuard, clock: FakeClock) -> list[Permit]:
    """Bring the guard to its trials and return the permits of all three."""
    fail(guard)
    clock.advance(5)
    return [guard.acquire() for _ in range(3)]


def is_refused(guard: CircuitBreakerGuard) -> bool:
    try:
        report(guard, "released")
    except CircuitOpen:
        return True
    return False


def test_five_failures_in_a_row_open_it(guard):
    fail(guard, 4)
    assert guard.state is BreakerState.CLOSED

    fail(guard, 1)

    assert guard.state is BreakerState.OPEN
    assert is_refused(guard)


def test_success_starts_the_run_of_failures_anew(guard):
    report(guard, *["failed"] * 4, "succeeded", *["failed"] * 4)

    assert guard.state is BreakerState.CLOSED


def test_refusals_on_business_grounds_neither_trip_nor_heal(guard):
    report(guard, *["neutral"] * 200)
    assert guard.window == ()

    report(guard, *["failed"] * 4, "neutral", "failed")

    assert guard.state is BreakerState.OPEN


def test_failures_below_the_minimum_volume_do_not_trip_it(clock):
    guard = CircuitBreakerGuard("neighbour", BreakerPolicy(failure_threshold=99), clock=clock)
    fail(guard, 9)
    assert guard.state is BreakerState.CLOSED

    fail(guard, 1)

    assert guard.state is BreakerState.OPEN


def test_rate_is_taken_after_every_call_even_a_good_one(clock):
    policy = BreakerPolicy(
        failure_threshold=99, window=5, minimum_calls=5, failure_rate=0.6, slow_rate=1
    )
    guard = CircuitBreakerGuard("neighbour", policy, clock=clock)
    report(guard, "failed", "succeeded", "failed", "failed")
    assert guard.state is BreakerState.CLOSED

    report(guard, "succeeded")

    assert guard.state is BreakerState.OPEN


def test_calls_that_left_the_window_no_longer_count(clock):
    policy = BreakerPolicy(window=10, minimum_calls=10)
    guard = CircuitBreakerGuard("neighbour", policy, clock=clock)

    report(guard, *["failed"] * 4, *["succeeded"] * 10, *["failed"] * 4)

    assert guard.state is BreakerState.CLOSED


@pytest.mark.parametrize("bad", [["slow"] * 9, ["slow", "slow", "failed"] * 3])
def test_slow_answers_open_it_when_they_and_the_failures_are_half(guard, bad):
    reasons = []
    guard.add_listener(lambda *event: reasons.append(event[-1]))
    report(guard, *["succeeded"] * 9, *bad[:8])
    assert guard.state is BreakerState.CLOSED

    report(guard, bad[8])

    assert guard.state is BreakerState.OPEN
    assert "slow" in reasons[0]


def test_refusal_says_in_whole_seconds_when_to_come_back(guard, clock):
    fail(guard)
    clock.advance(1.5)

    with pytest.raises(CircuitOpen) as refusal:
        guard.acquire()

    assert refusal.value.retry_after_seconds == pytest.approx(3.5)
    assert refusal.value.headers == {"Retry-After": "4"}


def test_exactly_three_of_fifty_threads_get_a_trial(guard, clock):
    fail(guard)
    clock.advance(5)

    with ThreadPoolExecutor(50) as pool:
        refused = list(pool.map(lambda _: _acquired(guard) is None, range(50)))

    assert refused.count(False) == 3
    assert guard.state is BreakerState.HALF_OPEN


def _acquired(guard: CircuitBreakerGuard) -> Permit | None:
    try:
        return guard.acquire()
    except CircuitOpen:
        return None


def test_three_good_trials_close_it(guard, clock):
    first, second, third = half_open(guard, clock)
    guard.settle(first, Outcome.SUCCEEDED)
    guard.settle(second, Outcome.NEUTRAL)
    assert guard.state is BreakerState.HALF_OPEN

    guard.settle(third, Outcome.SUCCEEDED)

    assert guard.state is BreakerState.CLOSED
    assert not is_refused(guard)


def test_trial_that_succeeded_makes_no_room_for_a_fourth(guard, clock):
    first, *_ = half_open(guard, clock)

    guard.settle(first, Outcome.SUCCEEDED)

    assert is_refused(guard)


@pytest.mark.parametrize("outcome", ["failed", "slow"])
def test_one_bad_trial_opens_it_again_for_twice_the_time(guard, clock, outcome):
    first, *_ = half_open(guard, clock)
    guard.settle(first, Outcome(outcome))
    assert guard.state is BreakerState.OPEN
    clock.advance(9.9)
    assert is_refused(guard)

    clock.advance(0.1)

    assert not is_refused(guard)


def test_close_ends_the_growth_of_the_open_time(guard, clock):
    guard.settle(half_open(guard, clock)[0], Outcome.FAILED)
    clock.advance(10)
    report(guard, *["succeeded"] * 3)
    fail(guard)

    clock.advance(5)

    assert not is_refused(guard)


@given(draws=st.lists(st.floats(0, 1), min_size=8, max_size=8))
def test_open_time_grows_within_its_jitter_up_to_a_minute(draws):
    clock, numbers, waits = FakeClock(), iter(draws), []
    guard = CircuitBreakerGuard("neighbour", clock=clock, random=lambda: next(numbers))

    fail(guard)
    for _ in draws[1:]:
        waits.append(round(guard._open_until - clock.monotonic(), 6))
        clock.advance(waits[-1] + 1e-6)
        guard.settle(guard.acquire(), Outcome.FAILED)

    for wait, middle in zip(waits, [5, 10, 20, 40, 80, 160, 320], strict=True):
        assert min(0.8 * middle, 60) <= wait <= min(1.2 * middle, 60)
    assert waits == sorted(waits)


def test_released_trial_leaves_its_permit_to_another_call(guard, clock):
    first, *_ = half_open(guard, clock)
    assert is_refused(guard)

    guard.settle(first, Outcome.RELEASED)

    assert not is_refused(guard)


def test_trials_that_never_report_are_given_back(guard, clock):
    lost = half_open(guard, clock)
    clock.advance(9.9)
    assert is_refused(guard)
    clock.advance(0.1)

    report(guard, *["succeeded"] * 3)
    for permit in lost:
        guard.settle(permit, Outcome.FAILED)

    assert guard.state is BreakerState.CLOSED
    assert guard.window == ()


def test_outcome_of_a_call_from_before_the_change_of_state_does_not_count(guard, clock):
    old = [guard.acquire() for _ in range(4)]
    first, second, _ = half_open(guard, clock)

    for permit in old[:3]:
        guard.settle(permit, Outcome.SUCCEEDED)
    guard.settle(old[3], Outcome.FAILED)
    guard.settle(first, Outcome.SUCCEEDED)
    guard.settle(second, Outcome.SUCCEEDED)

    assert guard.state is BreakerState.HALF_OPEN


def test_block_reports_the_last_outcome_once(guard):
    with guard.acquire() as permit:
        permit.outcome = Outcome.SUCCEEDED
        permit.outcome = Outcome.FAILED
        assert guard.window == ()

    assert guard.window == ("failed",)


def test_block_left_without_a_report_gives_the_permit_back(guard, clock):
    guard.settle(half_open(guard, clock)[0], Outcome.RELEASED)

    with pytest.raises(ZeroDivisionError), guard.acquire():
        _ = 1 / 0

    assert guard.state is BreakerState.HALF_OPEN
    assert not is_refused(guard)


@pytest.mark.parametrize("jump", [-2 * HOUR, 2 * HOUR])
def test_wall_clock_does_not_matter(guard, clock, jump):
    fail(guard)
    clock.jump(jump)
    clock.advance(4.9)
    assert is_refused(guard)

    clock.advance(0.1)

    assert not is_refused(guard)


def test_forced_open_refuses_until_it_is_released(guard, clock):
    guard.force_open()
    clock.advance(HOUR)
    assert is_refused(guard)

    guard.reset_forced()

    assert guard.state is BreakerState.CLOSED


def test_forced_closed_lets_everything_through_until_it_is_released(guard):
    fail(guard)
    guard.force_closed()
    fail(guard, 50)
    assert not is_refused(guard)

    guard.reset_forced()
    fail(guard)

    assert guard.state is BreakerState.OPEN


def test_release_of_what_is_not_forced_changes_nothing(guard):
    fail(guard)

    guard.reset_forced()

    assert guard.state is BreakerState.OPEN


def test_each_transition_is_told_once_with_its_reason(guard, clock):
    heard = []
    guard.add_listener(lambda *event: heard.append(event))

    guard.settle(half_open(guard, clock)[0], Outcome.FAILED)

    assert heard == [
        ("neighbour", "closed", "open", "too many failures in a row"),
        ("neighbour", "open", "half-open", "the open time is over"),
        ("neighbour", "half-open", "open", "a trial call was reported failed"),
    ]


def test_calls_under_way_do_not_wait_for_one_another(guard):
    together = threading.Barrier(10, timeout=5)

    def call(_: int) -> None:
        with guard.acquire() as permit:
            together.wait()
            permit.outcome = Outcome.SUCCEEDED

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(call, range(10)))

    assert guard.window == ("succeeded",) * 10


def test_counts_are_exact_under_ten_threads(clock):
    policy = BreakerPolicy(failure_threshold=10**6, window=10**6, minimum_calls=10**6)
    guard = CircuitBreakerGuard("neighbour", policy, clock=clock)
    outcomes = ["succeeded", "failed", "neutral", "slow", "released"] * 100

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda _: report(guard, *outcomes), range(10)))

    window = guard.window
    assert [window.count(o) for o in ("succeeded", "failed", "slow")] == [1000] * 3
    assert len(window) == 3000


LEGAL = {
    ("closed", "open"),
    ("open", "half-open"),
    ("half-open", "open"),
    ("half-open", "closed"),
}


class AnySequence(RuleBasedStateMachine):
    """Explore what callers may do in any order, and time may do to them."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.guard = CircuitBreakerGuard("neighbour", clock=self.clock)
        self.held: list[Permit] = []
        self.transitions: set[tuple[str, str]] = set()
        self.guard.add_listener(lambda _, old, new, __: self.transitions.add((old, new)))

    @rule()
    def acquire(self) -> None:
        permit = _acquired(self.guard)
        if permit:
            self.held.append(permit)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), outcome=st.sampled_from(Outcome))
    def settle(self, data, outcome) -> None:
        permit = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        self.guard.settle(permit, outcome)

    @rule()
    def fail_often(self) -> None:
        for _ in range(5):
            permit = _acquired(self.guard)
            if permit:
                self.guard.settle(permit, Outcome.FAILED)

    @rule(seconds=st.sampled_from([0.5, 6, 11, 61]))
    def wait(self, seconds) -> None:
        self.clock.advance(seconds)

    @rule()
    def never_stuck(self) -> None:
        self.clock.advance(61)
        assert not is_refused(self.guard)

    @invariant()
    def at_most_three_trials(self) -> None:
        if self.guard.state is BreakerState.HALF_OPEN:
            trials = [p for p in self.held if p.generation == self.guard._generation]
            assert len(trials) <= self.guard._trials <= 3

    @invariant()
    def only_legal_transitions(self) -> None:
        assert self.transitions <= LEGAL


TestAnySequence: Callable[..., object] = AnySequence.TestCase
TestAnySequence.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
