import pytest

from chassis.config import ConfigError
from chassis.errors import TooManyRequests
from chassis.testing import FakeClock
from gateway import admission
from gateway.admission import RateLimiter, check_host, client_address, is_local
from gateway.config import Config, networks
from gateway.errors import UnknownHost

ALLOWED = {"localhost", "127.0.0.1", "[::1]"}


def from_peer(address, **environ):
    return {"REMOTE_ADDR": address, **environ}


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]", "[::1]:80"]
)
def test_known_name_is_served_on_any_port(host):
    check_host(host, ALLOWED)


@pytest.mark.parametrize(
    "host",
    [
        *("", "evil.test", "localhost.evil.test", "evil.test:localhost", "localhost:80x"),
        *("localhost:", "localhost:-1", "user@localhost", "localhost/", "localhost:80:80", "[::1"),
        *("localhost,evil.test", "local host", "localhost:123456", "localhost\n", "127.0.0.1."),
    ],
)
def test_other_name_is_refused(host):
    with pytest.raises(UnknownHost):
        check_host(host, ALLOWED)


def test_production_has_to_name_its_hosts():
    with pytest.raises(ConfigError, match="ALLOWED_HOSTS: is required in production"):
        Config.from_environ({"SHOP_ENV": "production"})


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        ("9.9.9.9", "9.9.9.9"),
        ("1.1.1.1, 9.9.9.9", "9.9.9.9"),
        ("9.9.9.9, 10.1.2.3", "9.9.9.9"),
        ("10.1.2.3", "10.1.2.3"),
        ("", "10.0.0.1"),
        ("1.1.1.1,rubbish", "rubbish"),
    ],
)
def test_client_is_the_last_address_that_no_trusted_proxy_has(forwarded, expected):
    environ = from_peer("10.0.0.1", HTTP_X_FORWARDED_FOR=forwarded)

    assert client_address(environ, networks("10.0.0.0/8, ::1")) == expected


@pytest.mark.parametrize("trusted", ["", "10.0.0.0/8"])
def test_nobody_else_is_believed(trusted):
    environ = from_peer("8.8.8.8", HTTP_X_FORWARDED_FOR="127.0.0.1")

    assert client_address(environ, networks(trusted)) == "8.8.8.8"


def test_local_is_who_comes_without_a_proxy():
    assert is_local(from_peer("127.0.0.1"))
    assert is_local(from_peer("::1"))
    assert not is_local(from_peer("10.0.0.1"))
    assert not is_local(from_peer("127.0.0.1", HTTP_X_FORWARDED_FOR="127.0.0.1"))


def taken(limiter, client, attempts):
    """Return how many of the attempts were let through."""
    done = 0
    for _ in range(attempts):
        try:
            limiter.take(client)
        except TooManyRequests:
            continue
        done += 1
    return done


def test_burst_is_twice_the_rate_and_then_the_rate_holds():
    clock = FakeClock()
    limiter = RateLimiter(50, clock)

    burst = taken(limiter, "9.9.9.9", 150)
    clock.advance(1)

    assert burst == 100
    assert taken(limiter, "9.9.9.9", 150) == 50


def test_refusal_says_when_to_come_back_and_others_are_not_concerned():
    limiter = RateLimiter(0.1, FakeClock())
    limiter.take("9.9.9.9")

    with pytest.raises(TooManyRequests) as refusal:
        limiter.take("9.9.9.9")

    assert refusal.value.headers == {"Retry-After": "10"}
    assert taken(limiter, "8.8.8.8", 1) == 1


def test_neighbours_in_one_ipv6_network_share_an_allowance():
    limiter = RateLimiter(1, FakeClock())

    assert taken(limiter, "2001:db8::1", 2) == 2
    assert taken(limiter, "2001:db8::2", 1) == 0
    assert taken(limiter, "2001:db8:0:1::1", 1) == 1
    assert taken(limiter, "9.9.9.9:1234", 1) == 1


def test_no_rate_is_no_limit():
    assert taken(RateLimiter(0, FakeClock()), "9.9.9.9", 1000) == 1000


def test_memory_for_clients_is_bounded(monkeypatch):
    monkeypatch.setattr(admission, "MAX_CLIENTS", 3)
    clock = FakeClock()
    limiter = RateLimiter(1, clock)

    for number in range(10):
        limiter.take(f"9.9.9.{number}")
        clock.advance(0.1)

    assert len(limiter._dry_at) <= 3
