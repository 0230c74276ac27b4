import contextlib
import re

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import assume, given
from hypothesis import strategies as st

from chassis.errors import Unauthenticated, Unavailable
from chassis.inbound import tokens
from chassis.inbound.keyset import Keys
from chassis.inbound.tokens import MAX_LIFE_SECONDS, MAX_TOKEN_BYTES, Principal, TokenVerifier
from chassis.testing import START, FakeClock
from tests.security.bad_tokens import bad_tokens, good_token, long_token

NOW = int(START.timestamp())
KEY = Ed25519PrivateKey.generate()
KEY_ID = "key-1"
GOOD = good_token(KEY, KEY_ID, iat=NOW)
BAD = bad_tokens(KEY, KEY_ID, iat=NOW)


class FakeKeySet:
    def __init__(self, keys: Keys):
        self.trusted = dict(keys)
        self.revoked: set[str] = set()

    def keys(self) -> Keys:
        return self.trusted

    def is_revoked(self, session_id: str) -> bool:
        return session_id in self.revoked


class UnreachableKeySet:
    def keys(self) -> Keys:
        raise Unavailable

    def is_revoked(self, session_id: str) -> bool:
        raise AssertionError("no token gets so far")


@pytest.fixture
def key_set():
    return FakeKeySet({KEY_ID: KEY.public_key()})


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def verifier(key_set, clock):
    return TokenVerifier(key_set, issuer="potion-shop", audience="shop", clock=clock)


def a_token(**changes) -> str:
    return good_token(KEY, KEY_ID, iat=NOW, **changes)


def test_token_of_a_session_without_access_is_refused_like_any_other(verifier, key_set):
    token, other = a_token(sid="session-1"), a_token(sid="session-2")
    assert verifier.verify(token)
    key_set.revoked.add("session-1")

    with pytest.raises(Unauthenticated) as refusal:
        verifier.verify(token)

    assert type(refusal.value) is Unauthenticated
    assert verifier.verify(other)
    assert verifier.verify(a_token())


def test_a_good_token_names_its_principal(verifier):
    token = a_token(sub="user-7", roles=["operator"], scope="a:read b:write", sid="session-1")

    principal = verifier.verify(token)

    assert principal == Principal(
        subject="user-7",
        roles=frozenset({"operator"}),
        scopes=frozenset({"a:read", "b:write"}),
        token_id="one-of-a-kind",
        expires_at=NOW + 600,
        key_id=KEY_ID,
        session_id="session-1",
    )


@pytest.mark.parametrize(("subject", "is_service"), [("service:orders", True), ("user-1", False)])
def test_a_service_is_told_from_a_person(verifier, subject, is_service):
    assert verifier.verify(a_token(sub=subject)).is_service is is_service


@pytest.mark.parametrize("token", BAD.values(), ids=BAD)
def test_a_token_that_is_bad_in_one_point_is_refused(verifier, token):
    with pytest.raises(Unauthenticated) as refusal:
        verifier.verify(token)

    assert type(refusal.value) is Unauthenticated
    assert vars(refusal.value) == vars(Unauthenticated())


@given(st.text())
def test_any_text_is_refused_and_nothing_worse(text):
    key_set = FakeKeySet({KEY_ID: KEY.public_key()})
    verifier = TokenVerifier(key_set, issuer="potion-shop", audience="shop", clock=FakeClock())

    with pytest.raises(Unauthenticated):
        verifier.verify(text)


@given(st.integers(0, len(GOOD) - 1), st.characters(codec="ascii"))
def test_a_token_with_one_other_character_is_refused(place, character):
    assume(character != GOOD[place])
    key_set = FakeKeySet({KEY_ID: KEY.public_key()})
    verifier = TokenVerifier(key_set, issuer="potion-shop", audience="shop", clock=FakeClock())

    with pytest.raises(Unauthenticated):
        verifier.verify(GOOD[:place] + character + GOOD[place + 1 :])


def test_a_token_is_refused_from_the_second_of_its_end_though_it_was_good_before(verifier, clock):
    verifier.verify(GOOD)
    clock.advance(599)
    verifier.verify(GOOD)

    clock.advance(1)

    with pytest.raises(Unauthenticated):
        verifier.verify(GOOD)


def test_a_token_is_refused_once_its_key_is_retired_though_it_was_good_before(verifier, key_set):
    verifier.verify(GOOD)

    key_set.trusted = {"key-2": KEY.public_key()}

    with pytest.raises(Unauthenticated):
        verifier.verify(GOOD)


def test_a_token_is_refused_under_the_id_of_another_trusted_key(verifier, key_set):
    key_set.trusted["key-2"] = Ed25519PrivateKey.generate().public_key()

    with pytest.raises(Unauthenticated):
        verifier.verify(good_token(KEY, "key-2", iat=NOW))


def test_a_clock_that_is_two_seconds_ahead_does_no_harm(verifier):
    assert verifier.verify(good_token(KEY, KEY_ID, iat=NOW + 2, nbf=NOW + 2))


@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_a_token_from_three_seconds_ahead_is_refused(verifier, claim):
    with pytest.raises(Unauthenticated):
        verifier.verify(good_token(KEY, KEY_ID, **{"iat": NOW, claim: NOW + 3}))


def test_a_life_of_a_day_and_a_length_of_four_kibibytes_are_the_most_that_is_accepted(verifier):
    longest = long_token(KEY, KEY_ID, MAX_TOKEN_BYTES - 1, iat=NOW)

    assert len(longest) in {MAX_TOKEN_BYTES - 1, MAX_TOKEN_BYTES}
    assert verifier.verify(longest)
    assert verifier.verify(a_token(exp=NOW + MAX_LIFE_SECONDS))


def test_nothing_is_believed_without_a_key_set(clock):
    verifier = TokenVerifier(
        UnreachableKeySet(), issuer="potion-shop", audience="shop", clock=clock
    )

    with pytest.raises(Unavailable):
        verifier.verify(GOOD)


def test_good_tokens_are_remembered_up_to_a_bound_and_bad_ones_not_at_all(verifier, monkeypatch):
    monkeypatch.setattr(tokens, "CACHED_TOKENS", 2)

    for number in range(5):
        verifier.verify(a_token(jti=f"token-{number}"))
        with contextlib.suppress(Unauthenticated):
            verifier.verify(f"{GOOD}{number}")

    assert 1 <= len(verifier._verified) <= 2


def test_the_corpus_holds_many_different_tokens_that_fit_a_header_and_a_cookie():
    assert len(BAD) == len(set(BAD.values())) >= 60
    assert [name for name, token in BAD.items() if not re.fullmatch(r"[!-+\--:<-~]+", token)] == []
