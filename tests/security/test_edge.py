"""Come in through the real gateway, as whoever finds the shop on the net does."""

import itertools
import json

import pytest

from chassis.testing import bearer
from tests.security.bad_tokens import bad_tokens, good_token
from tests.security.hostile import FORMS, claims_to_be, cross_site
from tests.security.policy import AT_THE_GATEWAY, OPERATIONS, SERVED, Access, each
from tests.security.world import OTHER_VALUES, SCOPES, dump, filled

pytestmark = pytest.mark.e2e

METHODS = (
    *("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "TRACK", "CONNECT"),
    *("PROPFIND", "get", "Post"),
)
DECLARED = {
    path: {operation.method for operation in group}
    for path, group in itertools.groupby(
        sorted(
            [o for o in OPERATIONS if o in AT_THE_GATEWAY or o.service == "gateway"],
            key=lambda o: o.path,
        ),
        key=lambda o: o.path,
    )
}
UNSAFE = [operation for operation in AT_THE_GATEWAY if operation.unsafe]
GUARDED = [o for o in AT_THE_GATEWAY if o.access not in {Access.PUBLIC, Access.SIGNED}]
JSON_TAKING = [operation for operation in UNSAFE if operation.body is not None]


@pytest.mark.parametrize("path", DECLARED)
def test_method_that_is_not_declared_is_told_the_declared_ones(line, cookies, path):
    target = filled(path.replace("{filename}", "shop.css"), OTHER_VALUES)
    implied = {"HEAD"} if "GET" in DECLARED[path] else set()
    others = [method for method in METHODS if method not in DECLARED[path] | implied]

    replies = {m: line.send(m, target, cookies["admin"].items()) for m in others}

    # Gunicorn's parser knows no CONNECT with a path, nor small letters.
    expected = {m: {400, 405} if m in {"CONNECT", "get", "Post"} else {405} for m in others}
    assert {m: r.status for m, r in replies.items() if r.status not in expected[m]} == {}
    wrong = {m: r.headers["Allow"] for m, r in replies.items() if r.status == 405}
    assert {m: a for m, a in wrong.items() if not a or m in a.split(", ")} == {}


@each([operation for operation in AT_THE_GATEWAY if not operation.unsafe])
def test_method_can_not_be_overridden(line, cookies, operation):
    override = dict.fromkeys(("X-HTTP-Method-Override", "X-Method-Override"), "DELETE")

    plain = line.call(operation, cookies["admin"])
    overridden = line.call(operation, {**cookies["admin"], **override})

    assert overridden.status == plain.status != 405


@each(UNSAFE)
def test_other_sites_are_refused(running_shop, line, cookies, operation):
    before = dump(running_shop.data, running_shop.addresses)

    replies = {
        name: line.call(operation, {**cookies["admin"], **headers})
        for name, headers in cross_site(line.host).items()
    }

    if operation.access is Access.SIGNED:
        assert {reply.code for reply in replies.values()} == {(404, "payment_not_found")}
    else:
        refused = (403, "cross_site_request")
        assert {name: r.code for name, r in replies.items() if r.code != refused} == {}
        assert not any("Set-Cookie" in reply.headers for reply in replies.values())
    assert dump(running_shop.data, running_shop.addresses) == before


@each(UNSAFE)
def test_reading_changes_nothing(running_shop, line, cookies, operation):
    path = filled(operation.path, OTHER_VALUES)
    body = json.dumps(filled(operation.body, OTHER_VALUES) or {}).encode()
    hostile = [*cookies["admin"].items(), *cross_site(line.host)["cross-site"].items()]
    before = dump(running_shop.data, running_shop.addresses)

    replies = [
        line.send("GET", f"{path}?_method={operation.method}", hostile),
        line.send("HEAD", path, hostile),
        line.send("GET", path, [*hostile, ("Content-Type", "application/json")], body),
    ]

    # Another operation may be there to read.
    assert {reply.status for reply in replies} <= {200, 404, 405, 422}
    assert not any("Set-Cookie" in reply.headers for reply in replies)
    assert dump(running_shop.data, running_shop.addresses) == before


@each(UNSAFE)
def test_bearer_is_no_browser(line, cookies, operation):
    bearer = cookies["admin"]["Cookie"].replace("token=", "Bearer ")

    reply = line.call(operation, {"Authorization": bearer, **cross_site(line.host)["cross-site"]})

    # The guess at a refresh token is refused for what it is.
    assert reply.status not in {401, 403, 500} or reply.code == (401, "session_over")


@each(JSON_TAKING)
def test_what_a_form_can_send_is_no_json(running_shop, line, cookies, operation):
    origins = ({"Sec-Fetch-Site": "same-origin"}, {})
    before = dump(running_shop.data, running_shop.addresses)

    statuses = [
        line.call(operation, {**cookies["admin"], **origin}, kind=kind).status
        for origin in origins
        for kind in FORMS
    ]

    assert set(statuses) == {415}
    assert dump(running_shop.data, running_shop.addresses) == before


@each(GUARDED)
def test_nobody_gets_in_by_claiming_an_identity(line, operator_id, operation):
    reply = line.call(operation, claims_to_be(operator_id))

    assert reply.code == (401, "missing_token")


@each([operation for operation in GUARDED if operation.access is Access.OPERATOR])
def test_customer_stays_a_customer_whatever_is_claimed(line, cookies, operator_id, operation):
    reply = line.call(operation, {**cookies["alice"], **claims_to_be(operator_id)})

    assert reply.code == (403, "forbidden")


def test_one_is_who_the_token_says_whatever_is_claimed(line, cookies, operator_id):
    claims = claims_to_be(operator_id).items()

    me = line.send("GET", "/api/v1/auth/me", [*cookies["alice"].items(), *claims, *claims])

    assert json.loads(me.text)["username"] == "alice"


@each([operation for operation in SERVED if operation.internal])
def test_internal_path_is_not_there_for_anybody(line, mint, operation):
    scoped = bearer(mint.service("orders", *SCOPES))

    assert line.call(operation, scoped).code == (404, "not_found")


@pytest.mark.parametrize("path", ["/products", "/api/v1/auth/me"])
@pytest.mark.parametrize("carry", ["Authorization: Bearer {}", "Cookie: token={}"])
def test_bad_tokens_are_refused_alike(line, mint, operator_id, path, carry):
    name, _, template = carry.partition(": ")
    claims = {"sub": operator_id, "roles": ["customer", "operator"]}
    key = mint.private_key, mint.key_id

    good = line.send("GET", path, [(name, template.format(good_token(*key, **claims)))])
    replies = {
        flaw: line.send("GET", path, [(name, template.format(token))])
        for flaw, token in bad_tokens(*key, **claims).items()
    }

    assert good.status == 200
    refused = (401, "invalid_token")
    assert {flaw: reply.code for flaw, reply in replies.items() if reply.code != refused} == {}
    assert len({reply.said for reply in replies.values()}) == 1
