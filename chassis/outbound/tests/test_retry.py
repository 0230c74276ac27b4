import pytest

from chassis.errors import BadUpstream, DeadlineExceeded, Unavailable
from chassis.outbound.retry import ConnectionLost, NotSent, RetryBudget, RetryPolicy


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("failure", [NotSent(), ConnectionLost()])
def test_reads_are_repeated_after_any_failure_of_the_connection(method, failure):
    assert RetryPolicy().allows(failure, method, has_key=False)


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_writes_are_repeated_only_with_a_key_and_when_nothing_was_sent(method):
    policy = RetryPolicy()

    assert policy.allows(NotSent(), method, has_key=True)
    assert not policy.allows(NotSent(), method, has_key=False)
    assert not policy.allows(ConnectionLost(), method, has_key=True)


@pytest.mark.parametrize("failure", [Unavailable(), DeadlineExceeded(), BadUpstream()])
def test_answers_and_timeouts_are_never_repeated(failure):
    assert not RetryPolicy().allows(failure, "GET", has_key=True)


def test_pause_is_drawn_from_zero_to_the_backoff():
    policy = RetryPolicy(backoff_seconds=0.2)

    assert policy.pause_seconds(random=lambda: 0.0) == 0
    assert policy.pause_seconds(random=lambda: 0.5) == pytest.approx(0.1)


def test_retries_stay_near_a_tenth_of_the_calls_when_everything_fails(clock):
    budget = RetryBudget(clock=clock)
    retries = 0

    for _ in range(1000):
        clock.advance(1 / 50)
        budget.record_call()
        retries += budget.withdraw()

    assert 100 <= retries <= 105


def test_retry_is_earned_by_time_alone(clock):
    budget = RetryBudget(ratio=0, clock=clock)
    while budget.withdraw():
        pass
    clock.advance(10.001)

    budget.record_call()

    assert [budget.withdraw(), budget.withdraw()] == [True, False]


def test_savings_are_limited(clock):
    budget = RetryBudget(clock=clock)
    for _ in range(1000):
        budget.record_call()

    retries = sum(budget.withdraw() for _ in range(1000))

    assert retries == 10
