import pytest

from chassis.errors import TooManyRequests
from chassis.testing import FakeClock
from gateway import limits
from gateway.limits import Limit, RateLimiter, general_limit
from gateway.routes import SIGN_IN


def taken(limiter, client, attempts, limit):
    """Return how many of the attempts were let through."""
    done = 0
    for _ in range(attempts):
        try:
            limiter.take(client, limit)
        except TooManyRequests:
            continue
        done += 1
    return done


@pytest.mark.parametrize(
    ("rate", "amount", "seconds"),
    [(50, 100, 2), (1, 2, 2), (0.5, 1, 2), (0.1, 1, 10), (0.3, 1, 4), (1.5, 3, 2), (1000, 2000, 2)],
)
def test_general_limit_is_the_rate_in_whole_numbers(rate, amount, seconds):
    assert general_limit(rate) == Limit("all", amount, seconds)


def test_burst_is_twice_the_rate_and_then_the_rate_holds():
    clock = FakeClock()
    limiter, limit = RateLimiter(clock), general_limit(50)

    burst = taken(limiter, "9.9.9.9", 150, limit)
    clock.advance(1)

    assert burst == 100
    assert taken(limiter, "9.9.9.9", 150, limit) == 50


def test_refusal_says_when_to_come_back_and_others_are_not_concerned():
    limiter, limit = RateLimiter(FakeClock()), general_limit(0.1)
    limiter.take("9.9.9.9", limit)

    with pytest.raises(TooManyRequests) as refusal:
        limiter.take("9.9.9.9", limit)

    assert refusal.value.headers == {"Retry-After": "10"}
    assert taken(limiter, "8.8.8.8", 1, limit) == 1


def test_nobody_is_told_to_come_back_at_once():
    limiter, limit = RateLimiter(FakeClock()), general_limit(50)
    taken(limiter, "9.9.9.9", 100, limit)

    with pytest.raises(TooManyRequests) as refusal:
        limiter.take("9.9.9.9", limit)

    assert refusal.value.headers == {"Retry-After": "1"}


def test_neighbours_in_one_ipv6_network_share_an_allowance():
    limiter, limit = RateLimiter(FakeClock()), general_limit(1)

    assert taken(limiter, "2001:db8::1", 2, limit) == 2
    assert taken(limiter, "2001:db8::2", 1, limit) == 0
    assert taken(limiter, "2001:db8:0:1::1", 1, limit) == 1
    assert taken(limiter, "9.9.9.9:1234", 1, limit) == 1


def test_limits_count_apart():
    limiter = RateLimiter(FakeClock())

    assert taken(limiter, "9.9.9.9", 500, SIGN_IN) == 300
    assert taken(limiter, "9.9.9.9", 1, general_limit(50)) == 1
    assert taken(limiter, "8.8.8.8", 1, SIGN_IN) == 1


def test_memory_for_clients_is_bounded(monkeypatch):
    monkeypatch.setattr(limits, "MAX_CLIENTS", 3)
    clock = FakeClock()
    limiter = RateLimiter(clock)

    for number in range(10):
        limiter.take(f"9.9.9.{number}", general_limit(1))
        clock.advance(0.1)

    assert len(limiter._dry_at) <= 3
