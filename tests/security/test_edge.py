"""Come in through the real gateway, as whoever finds the shop on the net does."""

import http.client
import itertools
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from chassis.testing import TokenMint, bearer
from services.auth.keys import KeyRing
from services.payments.signatures import SIGNATURE_HEADER
from storage.database import Database
from tests.e2e.running import Shop
from tests.e2e.shopper import Shopper
from tests.security.bad_tokens import bad_tokens, good_token
from tests.security.hostile import FORMS, claims_to_be, cross_site
from tests.security.policy import AT_THE_GATEWAY, OPERATIONS, SERVED, Access, each
from tests.security.world import OTHER_VALUES, SCOPES, dump, filled, signature

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


# Events go on their way whenever it is their turn, and not because somebody calls.
TRAVELLING = re.compile(r'(INSERT INTO "|)(outbox_events|mails|seen_events|sqlite_sequence)["\s]')


def kept(shop: Shop) -> dict[str, list[str]]:
    """Return everything that a running shop holds, but for events on their way."""
    contents = dump(shop.data, shop.addresses)
    return {
        name: [row for row in rows if not TRAVELLING.match(row)] for name, rows in contents.items()
    }


@dataclass(frozen=True)
class Reply:
    status: int
    headers: http.client.HTTPMessage
    text: bytes

    @property
    def code(self) -> tuple[int, str]:
        return self.status, json.loads(self.text)["code"]

    @property
    def said(self) -> tuple[Any, ...]:
        document = json.loads(self.text)
        document.pop("request_id")
        kept = [pair for pair in self.headers.items() if pair[0] not in {"Date", "X-Request-Id"}]
        return self.status, str(document), *kept


class Line:
    """Speak HTTP to the gateway word for word, over one connection."""

    def __init__(self, address: str) -> None:
        self.host = address.removeprefix("http://")
        self.connection = http.client.HTTPConnection(self.host, timeout=10)

    def send(
        self, method: str, path: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
    ) -> Reply:
        self.connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers:
            self.connection.putheader(name, value)
        if body or method in {"POST", "PUT", "PATCH"}:
            self.connection.putheader("Content-Length", str(len(body)))
        self.connection.endheaders(body)
        answer = self.connection.getresponse()
        return Reply(answer.status, answer.headers, answer.read())

    def call(self, operation, headers, *, kind="application/json") -> Reply:
        """Call an operation with its good request, about nothing that exists."""
        body = json.dumps(filled(operation.body, OTHER_VALUES) or {}).encode()
        sent = {"Content-Type": kind, "Idempotency-Key": "edge", **headers}
        sent.setdefault(SIGNATURE_HEADER, signature(body))
        path = filled(operation.path, OTHER_VALUES)
        query = f"?{filled(operation.query, OTHER_VALUES)}" if operation.query else ""
        return self.send(
            operation.method, path + query, sent.items(), body if operation.unsafe else b""
        )


@pytest.fixture(scope="module")
def line(running_shop):
    line = Line(running_shop.url)
    yield line
    line.connection.close()


@pytest.fixture(scope="module")
def cookies(running_shop):
    names = ("alice", "admin")
    signed_in = {name: Shopper(running_shop.url).sign_in(name) for name in names}
    return {n: {"Cookie": f"token={s.session.cookies['token']}"} for n, s in signed_in.items()}


@pytest.fixture(scope="module")
def operator_id(line, cookies):
    me = line.send("GET", "/api/v1/auth/me", cookies["admin"].items())
    return json.loads(me.text)["id"]


@pytest.fixture(scope="module")
def mint(running_shop):
    """Sign as the shop's own auth service does."""
    database = Database(running_shop.database_url("auth"))
    ring = KeyRing(database)
    ring.load(None)
    mint = TokenMint()
    mint.private_key, mint.key_id = ring.signing_key.private_key, ring.signing_key.key_id
    yield mint
    database.close()


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
    before = kept(running_shop)

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
    assert kept(running_shop) == before


@each(UNSAFE)
def test_bearer_is_no_browser(line, cookies, operation):
    bearer = cookies["admin"]["Cookie"].replace("token=", "Bearer ")

    reply = line.call(operation, {"Authorization": bearer, **cross_site(line.host)["cross-site"]})

    # The guess at a refresh token is refused for what it is.
    assert reply.status not in {401, 403, 500} or reply.code == (401, "session_over")


@each(JSON_TAKING)
def test_what_a_form_can_send_is_no_json(running_shop, line, cookies, operation):
    own = {**cookies["admin"], "Sec-Fetch-Site": "same-origin"}
    before = kept(running_shop)

    statuses = {kind: line.call(operation, own, kind=kind).status for kind in FORMS}

    assert set(statuses.values()) == {415}
    assert kept(running_shop) == before


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
