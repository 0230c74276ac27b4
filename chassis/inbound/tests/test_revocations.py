"""Hear within seconds whose access has ended."""

import pytest

from chassis.config import ServiceConfig
from chassis.errors import Unavailable
from chassis.inbound.revocations import Revocations
from chassis.testing import FakeClock
from chassis.tests.threads import join_threads


class Issuer:
    """Publish a list, note what is asked for, and go away when told to."""

    def __init__(self, clock):
        self.clock = clock
        self.revoked = []
        self.asked = []
        self.away = False

    def fetch(self, path):
        self.asked.append(path)
        if self.away:
            raise Unavailable
        now = int(self.clock.now().timestamp())
        return {"revoked": list(self.revoked), "now": now, "seconds": 600, "keys": []}


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def issuer(clock):
    return Issuer(clock)


@pytest.fixture
def revocations(issuer, clock):
    return Revocations(issuer.fetch, ServiceConfig.from_environ({}), clock)


def test_list_is_fetched_once_while_it_is_young(revocations, issuer, clock):
    issuer.revoked = ["one"]

    assert "one" in revocations
    clock.advance(1.9)
    assert "two" not in revocations
    assert len(issuer.asked) == 1


def test_list_in_use_is_renewed_in_the_background(revocations, issuer, clock):
    assert "one" not in revocations
    issuer.revoked = ["one"]
    clock.advance(2)

    assert "two" not in revocations
    join_threads("revocations")

    assert "one" in revocations


def test_list_that_nobody_used_is_renewed_first(revocations, issuer, clock):
    assert "one" not in revocations
    issuer.revoked = ["one"]
    clock.advance(4)

    assert "one" in revocations


def test_only_what_is_new_is_asked_for(revocations, issuer, clock):
    issuer.revoked = ["one"]
    assert "one" in revocations
    known_until = int(clock.now().timestamp())
    issuer.revoked = ["two"]
    clock.advance(5)

    assert "two" in revocations

    assert "one" in revocations
    first, second = issuer.asked
    assert (first, second) == (first, f"{first}?since={known_until}")


def test_last_list_is_used_while_the_issuer_is_away(revocations, issuer, clock):
    issuer.revoked = ["one"]
    assert "one" in revocations
    issuer.away = True
    clock.advance(60)

    assert "one" in revocations
    assert "two" not in revocations
    # Who asks at once again is not made to wait for another try.
    assert len(issuer.asked) == 2

    issuer.away, issuer.revoked = False, ["two"]
    clock.advance(1)
    assert "two" in revocations


def test_what_has_expired_is_forgotten(revocations, issuer, clock):
    issuer.revoked = ["one"]
    assert "one" in revocations
    issuer.revoked = []
    clock.advance(601)

    assert "one" not in revocations


@pytest.mark.parametrize("document", [{}, {"revoked": None, "now": 1, "seconds": 1}, {"code": "x"}])
def test_nonsense_leaves_the_list_as_it_is(revocations, issuer, clock, document):
    issuer.revoked = ["one"]
    assert "one" in revocations
    issuer.fetch = lambda _: document
    revocations._fetch = issuer.fetch
    clock.advance(5)

    assert "one" in revocations
