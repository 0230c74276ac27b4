import pytest

from chassis.config import ConfigError
from gateway.admission import check_host, client_address, is_local
from gateway.config import Config, networks
from gateway.errors import UnknownHost

ALLOWED = {"localhost", "127.0.0.1", "[::1]"}


def test_ipv4_address_is_the_same_on_a_socket_for_both_kinds():
    mapped = {"REMOTE_ADDR": "::ffff:203.0.113.7"}

    assert client_address(mapped, ()) == "203.0.113.7"
    assert (
        client_address({**mapped, "HTTP_X_FORWARDED_FOR": "9.9.9.9"}, networks("203.0.113.7"))
        == "9.9.9.9"
    )
    assert is_local({"REMOTE_ADDR": "::ffff:127.0.0.1"})
    assert not is_local(mapped)


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
