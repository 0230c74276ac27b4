import pytest

from chassis.errors import BadUpstream, DeadlineExceeded, Unavailable
from chassis.outbound.retry import (
    ConnectionLost,
    NotSent,
    RetryBudget,
    may_repeat,
    pause_seconds,
)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("failure", [NotSent(), ConnectionLost()])
def test_reads_are_repeated_after_any_failure_of_the_connection(method, failure):
    assert may_repeat(failure, method, has_key=False)


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_writes_are_repeated_only_with_a_key_and_when_nothing_was_sent(method):
    assert may_repeat(NotSent(), method, has_key=True)
    assert not may_repeat(NotSent(), method, has_key=False)
    assert not may_repeat(ConnectionLost(), method, has_key=True)


@pytest.mark.parametrize("failure", [Unavailable(), DeadlineExceeded(), BadUpstream()])
def test_answers_and_timeouts_are_never_repeated(failure):
    assert not may_repeat(failure, "GET", has_key=True)


def test_pause_is_drawn_from_zero_to_the_backoff():
    assert pause_seconds(random=lambda: 0.0) == 0
    assert pause_seconds(random=lambda: 0.5) == pytest.approx(0.025)


def test_retries_stay_near_a_tenth_of_the_calls_when_everything_fails(clock):
    budget = RetryBudget(clock)
    retries = 0

    for _ in range(1000):
        clock.advance(1 / 50)
        budget.record_call()
        retries += budget.withdraw()

    assert 100 <= retries <= 105


def test_seconds_earn_retries_for_who_seldom_calls(clock):
    budget = RetryBudget(clock)
    while budget.withdraw():
        pass
    clock.advance(9.001)

    budget.record_call()

    assert [budget.withdraw(), budget.withdraw()] == [True, False]


def test_savings_are_limited(clock):
    budget = RetryBudget(clock)
    for _ in range(1000):
        budget.record_call()

    retries = sum(budget.withdraw() for _ in range(1000))

    assert retries == 10
