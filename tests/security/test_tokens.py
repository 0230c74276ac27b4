"""Show every protected operation tokens that must be refused (cases 88, 89 and 113)."""

import time

import pytest

from chassis.testing import bearer
from tests.resilience.rounds import rounds
from tests.security.bad_tokens import bad_tokens, good_token
from tests.security.fuzzed_tokens import fuzzed_tokens
from tests.security.policy import PROTECTED, Access, each
from tests.security.world import SCOPES, said

CHECKS = (
    "alg 'none', no signature", "HS256 with the PEM", "signature of another key",
    "signature stripped", "signature with a flipped bit", "key of the token itself", "typ 'JWT'",
    "kid 'unknown'", "exp is past", "exp is missing", "life over a day", "nbf is in an hour",
    "aud is 'other'", "iss is missing", "sub is missing", "jti is missing",
    "claims have sub twice", "stray bits in the signature", "over 4 KiB", "an identity token",
    "a refresh token",
)  # fmt: skip
"""One name for each check that a verifier could lack."""
SECONDS = 0.05
NO_TOKENS = (
    *({"Authorization": value} for value in ("", "Bearer", "Bearer ", "Basic YWRtaW46YWRtaW4=")),
    *({"Authorization": value} for value in ("Bearer a b", "Bearer null", "token", "bearer\tx")),
    *({"Cookie": value} for value in ("token=", "token=a; token=b", "token=null")),
)
FIRST_OF_SERVICE = list({o.service: o for o in reversed(PROTECTED)}.values())


@pytest.fixture(scope="module")
def claims(world):
    return {
        "person": {"sub": world.ids["admin"], "roles": ["customer", "operator"]},
        "service": {"sub": "service:orders", "roles": [], "scope": " ".join(SCOPES)},
    }


@pytest.fixture(scope="module")
def tokens(world, claims):
    key = world.mint.private_key, world.mint.key_id
    return {kind: bad_tokens(*key, **changes) for kind, changes in claims.items()}


def kind_of(operation):
    return "service" if operation.access is Access.SCOPE else "person"


def one_refusal(answers):
    """Check that nothing in the answers tells the causes apart, and return what they say."""
    statuses = {name: answer.status_code for name, answer in answers.items()}
    assert {name: status for name, status in statuses.items() if status != 401} == {}
    alike = {(str(said(a)), str(sorted(dict(a.headers)))) for a in answers.values()}
    assert len(alike) == 1
    return said(next(iter(answers.values())))[1]


@each(PROTECTED)
def test_good_token_of_the_same_making_is_accepted(world, claims, operation):
    subject = world.subject(operation)
    good = {**claims[kind_of(operation)], **world.claims.get(world.entitled(operation), {})}
    token = good_token(world.mint.private_key, world.mint.key_id, **good)

    answer = world.send(operation, bearer(token), subject)

    assert answer.status_code == operation.status


@each(PROTECTED)
def test_operation_refuses_bad_tokens_and_what_is_none_alike(world, tokens, operation):
    subject = world.subject(operation)
    carriers = {name: bearer(tokens[kind_of(operation)][name]) for name in CHECKS}
    carriers |= {str(headers): headers for headers in NO_TOKENS}
    before = world.state()

    body = one_refusal({n: world.send(operation, h, subject) for n, h in carriers.items()})

    assert (body["code"], body["error"]) == ("invalid_token", "Authorization token is invalid")
    assert world.state() == before


@each(FIRST_OF_SERVICE)
@pytest.mark.parametrize("carry", ["Authorization: Bearer {}", "Cookie: token={}"])
def test_service_refuses_every_bad_token_alike_and_at_once(world, tokens, operation, carry):
    name, _, template = carry.partition(": ")
    bad = tokens[kind_of(operation)]

    def send(flaw):
        started = time.perf_counter()
        answer = world.send(operation, {name: template.format(bad[flaw])})
        return time.perf_counter() - started, answer

    answers = {flaw: send(flaw) for flaw in bad}

    one_refusal({flaw: answer for flaw, (_, answer) in answers.items()})
    assert len(bad) >= 150
    # Once more, because other programs may have wanted the machine at that moment.
    slow = [flaw for flaw, (seconds, _) in answers.items() if seconds > SECONDS]
    assert [flaw for flaw in slow if min(send(flaw)[0] for _ in range(5)) > SECONDS] == []


@each(FIRST_OF_SERVICE)
@rounds(short=100, full=20_000)
def test_service_refuses_what_chance_makes_of_a_token(world, claims, operation, rounds):
    key, kind = (world.mint.private_key, world.mint.key_id), claims[kind_of(operation)]

    taken = [
        token
        for token in fuzzed_tokens(*key, rounds, **kind)
        if world.send(operation, bearer(token)).status_code != 401
    ]

    assert taken == []


@each(FIRST_OF_SERVICE)
def test_two_cookies_are_refused_though_either_is_good(world, claims, operation):
    token = good_token(world.mint.private_key, world.mint.key_id, **claims[kind_of(operation)])
    cookies = (f"token={token}; token={token}", f"token=x; token={token}", f"token={token};token=")

    one_refusal({cookie: world.send(operation, {"Cookie": cookie}) for cookie in cookies})
