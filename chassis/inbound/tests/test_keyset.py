"""Hold the key set's patience against its promises."""

import pytest

from chassis.config import ServiceConfig
from chassis.errors import Unavailable
from chassis.inbound.keyset import RemoteKeySet, parse_key_set
from chassis.testing import FakeClock, TokenMint
from chassis.tests.threads import join_threads


class Issuer:
    """Publish keys, count the fetches, and go away when told to."""

    def __init__(self):
        self.mint = TokenMint()
        self.fetches = 0
        self.away = False

    def fetch(self, path):
        if path.startswith("/internal/revocations"):
            key_ids = list(self.mint.keys())
            return {"revoked": [], "now": 0, "seconds": 600, "keys": key_ids}
        assert path == "/.well-known/jwks.json"
        self.fetches += 1
        if self.away:
            raise Unavailable
        return self.mint.jwks()


def patience(fresh_seconds, stale_seconds):
    environ = {"KEY_SET_SECONDS": fresh_seconds, "KEY_SET_STALE_SECONDS": stale_seconds}
    return ServiceConfig.from_environ({name: str(value) for name, value in environ.items()})


@pytest.fixture
def issuer():
    return Issuer()


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def key_set(issuer, clock):
    return RemoteKeySet(issuer.fetch, patience(300, 3600), clock)


def test_fresh_set_is_fetched_once(key_set, issuer):
    keys = [key_set.keys() for _ in range(3)]

    assert issuer.fetches == 1
    assert set(keys[0]) == {"test-key"}


def test_ageing_set_is_renewed_in_the_background(key_set, issuer, clock):
    key_set.keys()
    issuer.mint.key_id = "next-key"
    clock.advance(301)
    key_set.keys()
    join_threads("key-set")

    assert set(key_set.keys()) == {"next-key"}


def test_set_that_nobody_renewed_in_time_is_waited_for(key_set, issuer, clock, monkeypatch):
    key_set.keys()
    monkeypatch.setattr("threading.Thread", None)
    issuer.mint.key_id = "next-key"
    clock.advance(303)

    assert set(key_set.keys()) == {"next-key"}


def test_nobody_waits_twice_for_an_issuer_that_is_away(key_set, issuer, clock):
    key_set.keys()
    issuer.away = True
    clock.advance(2000)

    for _ in range(3):
        assert set(key_set.keys()) == {"test-key"}

    assert issuer.fetches == 2


def test_last_good_set_outlives_the_issuer(key_set, issuer, clock):
    key_set.keys()
    issuer.away = True
    clock.advance(3599)

    key_set.keys()
    join_threads("key-set")

    assert set(key_set.keys()) == {"test-key"}


def test_set_that_is_too_old_is_not_trusted(key_set, issuer, clock):
    key_set.keys()
    issuer.away = True
    clock.advance(3601)

    with pytest.raises(Unavailable):
        key_set.keys()


def test_unreachable_issuer_is_left_alone_for_a_moment(key_set, issuer, clock):
    issuer.away = True

    for _ in range(5):
        with pytest.raises(Unavailable):
            key_set.keys()

    assert issuer.fetches == 1


def test_issuer_that_is_back_is_asked_however_busy_its_callers_are(key_set, issuer, clock):
    issuer.away = True
    with pytest.raises(Unavailable):
        key_set.keys()
    for _ in range(3):
        clock.advance(0.3)
        with pytest.raises(Unavailable):
            key_set.keys()
    issuer.away = False

    clock.advance(0.3)

    assert set(key_set.keys()) == {"test-key"}
    assert issuer.fetches == 2


@pytest.mark.parametrize(
    "rubbish",
    [{}, [], {"keys": []}, {"keys": 1}, {"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "x"}]}],
)
def test_rubbish_does_not_replace_the_keys(issuer, clock, rubbish):
    documents = iter([issuer.mint.jwks(), rubbish])
    key_set = RemoteKeySet(lambda _: next(documents), patience(1, 100), clock)
    key_set.keys()
    clock.advance(50)

    key_set.keys()
    join_threads("key-set")

    assert set(key_set.keys()) == {"test-key"}


def test_keys_of_other_kinds_are_passed_over(issuer):
    good = issuer.mint.jwks()["keys"][0]
    others = [{"kty": "RSA", "kid": "a"}, {"kty": "oct", "k": "AA", "kid": "b"}, "c"]
    nameless = {name: value for name, value in good.items() if name != "kid"}

    keys = parse_key_set({"keys": [*others, nameless, good]})

    assert keys == issuer.mint.keys()


def test_key_that_had_to_go_at_once_is_trusted_for_seconds_only(key_set, issuer, clock):
    assert set(key_set.keys()) == {"test-key"}
    assert not key_set.is_revoked("session-1")
    issuer.mint.key_id = "next-key"
    clock.advance(6)

    assert not key_set.is_revoked("session-1")

    assert set(key_set.keys()) == {"next-key"}
    assert issuer.fetches == 2


def test_same_keys_are_not_fetched_again(key_set, issuer, clock):
    key_set.keys()
    for _ in range(5):
        clock.advance(6)
        key_set.is_revoked("session-1")
        key_set.keys()

    assert issuer.fetches == 1
