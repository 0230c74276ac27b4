"""What crosses the gateway, and what does not; generated from the route table where it can be."""

import json

import pytest

from chassis.testing import bearer
from gateway.headers import SECURITY
from gateway.routes import GATEWAY, ROUTES, SIGN_IN, UNSAFE, Access
from gateway.tests.stub import answer, problem
from tests.security.bad_tokens import bad_tokens, good_token
from tests.security.hostile import claims_to_be

CALLS = [(route, method) for route in ROUTES for method in sorted(route.methods)]
FORWARDED = [(route, method) for route, method in CALLS if route.service != GATEWAY]
PRIVATE = [call for call in FORWARDED if call[0].access is Access.REQUIRED]
PUBLIC = [call for call in FORWARDED if call[0].access is Access.PUBLIC]
OWN = [route for route in ROUTES if route.service == GATEWAY]
MADE_BY_THE_GATEWAY = {
    *("host", "x-request-id", "traceparent", "x-deadline-ms", "x-forwarded-for"),
    "x-forwarded-proto",
}


def each(calls):
    return pytest.mark.parametrize(
        ("route", "method"), calls, ids=[f"{method} {route.pattern}" for route, method in calls]
    )


def path_of(route):
    return route.pattern.replace("/*", "/1")


def sent(gateway, stub, method, route, headers=None, **options):
    """Send a request and return the answer and what the service got, if it got something."""
    stub.received.clear()
    response = gateway.send(method, path_of(route), headers, **options)
    return response, stub.received[0] if stub.received else None


def refused(response, status, code):
    document = response.get_json()
    assert (response.status_code, document["code"]) == (status, code)
    assert response.mimetype == "application/problem+json"
    assert document["error"] == document["title"]
    assert document["request_id"] == response.headers["X-Request-Id"]


@each(FORWARDED)
def test_service_gets_the_request_and_the_client_the_answer(gateway, stub, mint, route, method):
    stub.behaviour = answer(200, {"hello": "world"}, headers=[("ETag", '"1"')])

    response, got = sent(gateway, stub, method, route, bearer(mint.user()))

    assert (response.status_code, response.headers["ETag"]) == (200, '"1"')
    assert response.get_data() == (b"" if method == "HEAD" else b'{"hello": "world"}')
    assert (got.method, got.target) == (method, path_of(route))
    assert f"http://{got.get('Host')}" == stub.url


@each(PRIVATE)
def test_private_route_wants_a_token(gateway, stub, route, method):
    missing, _ = sent(gateway, stub, method, route)
    invalid, got = sent(gateway, stub, method, route, bearer("x.y.z"))

    assert missing.headers["WWW-Authenticate"] == "Bearer"
    if method != "HEAD":
        refused(missing, 401, "missing_token")
        refused(invalid, 401, "invalid_token")
    assert (missing.status_code, invalid.status_code, got) == (401, 401, None)


@each(PRIVATE)
def test_service_gets_the_token_as_bearer_and_no_cookie(gateway, stub, mint, route, method):
    token = mint.user()

    response, got = sent(gateway, stub, method, route, {"Cookie": f"a=b; token={token}; refresh=x"})

    assert got.get("Authorization") == f"Bearer {token}"
    assert "cookie" not in got.names
    assert response.headers["Cache-Control"] == "no-store"


@each(PUBLIC)
def test_public_route_passes_no_credentials_on(gateway, stub, mint, route, method):
    token = mint.user()

    _, got = sent(gateway, stub, method, route, {**bearer(token), "Cookie": f"token={token}"})

    assert not {"authorization", "cookie"} & got.names


@each(FORWARDED)
def test_service_sees_no_claim_of_the_client(gateway, stub, mint, route, method):
    claims = claims_to_be("admin") | {"Via": "1.1 x", "X-Request-Id": "client"}
    doubled = {name: f"{value},{value}" for name, value in claims.items()}
    named = {**claims, "Connection": f"close, X-Request-Id, X-Forwarded-For, {', '.join(claims)}"}

    for headers in (claims, doubled, named):
        _, got = sent(
            gateway, stub, method, route, {**bearer(mint.user()), **headers}, REMOTE_ADDR="9.9.9.9"
        )

        assert got.names - {"authorization", "content-length"} == MADE_BY_THE_GATEWAY
        assert (got.get("X-Forwarded-For"), got.get("X-Forwarded-Proto")) == ("9.9.9.9", "http")


@each(FORWARDED)
def test_only_the_issuer_sets_cookies(gateway, stub, mint, route, method):
    cookies = [("Set-Cookie", "token=1"), ("set-cookie", "device=2"), ("Set-Cookie2", "a=3")]
    stub.behaviour = answer(headers=[*cookies, ("Cache-Control", "public, max-age=60")])

    response, _ = sent(gateway, stub, method, route, bearer(mint.user()))

    delegated = route.access is Access.DELEGATED
    assert response.headers.getlist("Set-Cookie") == (["token=1", "device=2"] * delegated)
    if route.access is not Access.PUBLIC:
        assert response.headers.getlist("Cache-Control") == ["no-store"]


@each(PUBLIC)
def test_bad_token_does_no_harm_where_none_is_needed(gateway, stub, mint, route, method):
    expired = good_token(mint.private_key, mint.key_id, iat=1_000, exp=1_600)

    answers = [
        sent(gateway, stub, method, route, headers)[0].status_code
        for token in (expired, "x.y.z", "")
        for headers in ({"Cookie": f"token={token}"}, {"Authorization": f"Bearer {token}"})
    ]

    assert set(answers) == {200}


@each([call for call in FORWARDED if call[0].access is Access.DELEGATED])
def test_issuer_gets_credentials_as_they_came(gateway, stub, route, method):
    headers = {"Authorization": "Bearer rubbish", "Cookie": "token=a; token=b; refresh=c"}

    response, got = sent(gateway, stub, method, route, headers)

    assert response.status_code == 200
    assert (got.get("Authorization"), got.get("Cookie")) == tuple(headers.values())


@each([call for call in CALLS if call[1] in UNSAFE])
@pytest.mark.parametrize(
    "origin",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost"},
        {"Origin": "http://evil.test"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.test"},
    ],
    ids=str,
)
def test_no_other_site_can_have_something_done(gateway, stub, mint, route, method, origin):
    headers = {"Cookie": f"token={mint.user()}", "Content-Type": "text/plain", **origin}

    response, got = sent(gateway, stub, method, route, headers)

    if route.signed:
        assert response.status_code == 200
    else:
        refused(response, 403, "cross_site_request")
        assert got is None


@pytest.mark.parametrize(
    "origin",
    [
        {},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://localhost"},
    ],
    ids=str,
)
def test_own_pages_and_other_programs_can(gateway, stub, mint, origin):
    headers = {"Cookie": f"token={mint.user()}", **origin}

    response = gateway.send("POST", "/api/v1/orders", headers)

    assert response.status_code == 200
    assert not {"origin", "sec-fetch-site"} & stub.last.names


@each([(route, "TRACE") for route in ROUTES])
def test_odd_methods_are_refused_everywhere(gateway, stub, route, method):
    for odd in (method, "TRACK", "CONNECT", "PROPFIND", "get"):
        response, got = sent(gateway, stub, odd, route, {"X-HTTP-Method-Override": "GET"})
        refused(response, 405, "method_not_allowed")
        assert set(response.headers["Allow"].split(", ")) >= route.methods
        assert got is None


def test_every_bad_token_is_refused_alike(gateway, stub, mint):
    tokens = bad_tokens(mint.private_key, mint.key_id)
    answers = set()
    for token in tokens.values():
        for headers in (bearer(token), {"Cookie": f"token={token}"}):
            response = gateway.get("/api/v1/orders", {**headers, "X-Request-Id": "same"})
            answers.add((response.status_code, response.get_data(), str(response.headers)))

    assert len(tokens) >= 150
    assert [status for status, _, _ in answers] == [401]
    assert stub.received == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Cookie": "token={0}; token={0}"},
        {"Authorization": "Basic {0}"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer x.y.z", "Cookie": "token={0}"},
    ],
    ids=str,
)
def test_ambiguous_credentials_are_refused(gateway, mint, headers):
    filled = {name: value.format(mint.user()) for name, value in headers.items()}

    refused(gateway.get("/products", filled), 401, "invalid_token")


def test_bearer_wins_over_the_cookie(gateway, stub, mint):
    headers = {**bearer(mint.user("user-1")), "Cookie": "token=x.y.z"}

    assert gateway.get("/products", headers).status_code == 200
    assert stub.last.get("Authorization") == headers["Authorization"]


def test_production_reads_only_the_cookie_that_no_other_host_can_plant(make_gateway, mint):
    gateway = make_gateway(SHOP_ENV="production", ALLOWED_HOSTS="localhost")

    plain = gateway.get("/products", {"Cookie": f"token={mint.user()}"})
    prefixed = gateway.get("/products", {"Cookie": f"__Host-token={mint.user()}"})

    refused(plain, 401, "missing_token")
    assert prefixed.status_code == 200
    assert "Strict-Transport-Security" in prefixed.headers


def test_identity_and_address_are_made_by_the_gateway(gateway, stub):
    forged = {
        "X-User-Id": "1", "X-User-Role": "admin", "X-Forwarded-User": "root", "Via": "x",
        "X-Forwarded-For": "8.8.8.8", "X-Forwarded-Proto": "https", "X-Internal-Token": "x",
        "Connection": "close, X-Request-Id, Accept", "Accept": "application/json",
    }  # fmt: skip

    gateway.get("/greet/Alice", forged, REMOTE_ADDR="9.9.9.9")

    assert stub.last.get("X-Forwarded-For") == "9.9.9.9"
    assert stub.last.get("X-Forwarded-Proto") == "http"
    assert stub.last.names == {
        *("host", "accept", "x-request-id", "traceparent", "x-deadline-ms", "x-forwarded-for"),
        "x-forwarded-proto",
    }


def test_trace_goes_on_and_a_forged_id_is_replaced(gateway, stub):
    parent = f"00-{'a' * 32}-{'b' * 16}-01"

    good = gateway.get("/greet/A", {"X-Request-Id": "req-1", "traceparent": parent})
    good_id, good_parent = stub.last.get("X-Request-Id"), stub.last.get("traceparent")
    bad = gateway.get("/greet/A", {"X-Request-Id": "x" * 65})

    assert (good.headers["X-Request-Id"], good_id) == ("req-1", "req-1")
    assert good_parent.split("-")[1] == "a" * 32
    assert good_parent != parent
    assert bad.headers["X-Request-Id"] == stub.last.get("X-Request-Id") != "x" * 65


@pytest.mark.parametrize(
    ("given", "most"), [(None, 3000), ("200", 200), ("60000", 3000), ("x", 3000)]
)
def test_time_left_shrinks_and_a_client_can_only_shorten_it(gateway, stub, given, most):
    gateway.get("/greet/Alice", {"X-Deadline-Ms": given} if given else {})

    assert most - 150 <= int(stub.last.get("X-Deadline-Ms")) < most


def test_body_goes_on_as_it_came(gateway, stub, mint):
    body = b'{"items":  [1.50, "\xc3\xa9"]}'
    headers = {**bearer(mint.user()), "Content-Type": "application/json", "Idempotency-Key": "k"}

    gateway.send("POST", "/api/v1/orders", headers, body)

    assert (stub.last.body, stub.last.get("Content-Length")) == (body, str(len(body)))
    assert (stub.last.get("Content-Type"), stub.last.get("Idempotency-Key")) == (
        "application/json",
        "k",
    )


@pytest.mark.parametrize("origin", ["https://evil.test", "null", "http://localhost.evil.test"])
def test_no_other_site_may_read_an_answer(gateway, stub, origin):
    stub.behaviour = answer(headers=[("Access-Control-Allow-Origin", origin)])

    for response in (
        gateway.get("/greet/Alice", {"Origin": origin}),
        gateway.get("/", {"Origin": origin}),
        gateway.send("OPTIONS", "/products", {"Origin": origin}),
    ):
        assert "Access-Control" not in str(response.headers)


@pytest.mark.parametrize("service_status", [200, 204, 302, 304, 404, 409, 500, 503])
def test_every_proxied_answer_has_the_security_headers(gateway, stub, service_status):
    stub.behaviour = answer(service_status, "" if service_status in {204, 304} else None)

    response = gateway.get("/greet/Alice")

    assert {name: response.headers.getlist(name) for name in SECURITY} == {
        name: [value] for name, value in SECURITY.items()
    }
    assert len(response.headers.getlist("X-Request-Id")) == 1


@pytest.mark.parametrize("path", ["/nothing", "//", "/products", "/static/none.css", "/a" * 5000])
def test_every_refusal_has_them_too(gateway, path):
    response = gateway.get(path)

    assert response.status_code >= 400
    assert {name: response.headers[name] for name in SECURITY} == SECURITY
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("route", OWN, ids=lambda route: route.pattern)
def test_own_pages_have_them_once_and_are_measured(gateway, route):
    path = route.pattern.replace("*", "shop.css")

    response = gateway.get(path, {"Accept": "text/html"})

    assert response.status_code == 200
    assert {name: response.headers.getlist(name) for name in SECURITY} == {
        name: [value] for name, value in SECURITY.items()
    }


@pytest.mark.parametrize("host", ["", "evil.test", "localhost:80x", "127.0.0.1.evil.test"])
@pytest.mark.parametrize("path", ["/", "/greet/Alice", "/healthz"])
def test_other_names_are_not_served(gateway, stub, host, path):
    response = gateway.get(path, HTTP_HOST=host)

    refused(response, 400, "unknown_host")
    assert "evil" not in response.get_data(as_text=True)
    assert stub.received == []


def test_client_that_is_too_fast_is_told_when_to_come_back(make_gateway, stub):
    gateway = make_gateway(GATEWAY_RATE_LIMIT="1")
    statuses = [gateway.get("/greet/A", REMOTE_ADDR="9.9.9.9").status_code for _ in range(5)]

    refusal = gateway.get("/nothing", REMOTE_ADDR="9.9.9.9")

    assert statuses == [200, 200, 429, 429, 429]
    refused(refusal, 429, "too_many_requests")
    assert int(refusal.headers["Retry-After"]) >= 1
    assert gateway.get("/healthz", REMOTE_ADDR="9.9.9.9").status_code == 200
    assert gateway.get("/greet/A", REMOTE_ADDR="8.8.8.8").status_code == 200


def test_who_signs_in_without_end_is_stopped_and_nobody_else(make_gateway, clock):
    gateway = make_gateway(GATEWAY_RATE_LIMIT="1000", clock=clock)
    paths = ("/auth", "/api/v1/auth/login", "/api/v1/auth/refresh")
    statuses = [
        gateway.send("POST", path, REMOTE_ADDR="9.9.9.9").status_code
        for _ in range(SIGN_IN.amount // len(paths))
        for path in paths
    ]

    refusals = [gateway.send("POST", path, REMOTE_ADDR="9.9.9.9") for path in paths]

    assert set(statuses) == {200}
    for refusal in refusals:
        refused(refusal, 429, "too_many_requests")
        assert int(refusal.headers["Retry-After"]) >= 1
    assert gateway.get("/api/v1/auth/me", REMOTE_ADDR="9.9.9.9").status_code == 200
    assert gateway.send("POST", "/auth", REMOTE_ADDR="8.8.8.8").status_code == 200
    clock.advance(1)
    assert gateway.send("POST", "/auth", REMOTE_ADDR="9.9.9.9").status_code == 200


def test_announced_body_above_the_limit_is_refused_before_it_is_read(gateway, stub):
    for length in (str(1024 * 1024 + 1), "9" * 5000):
        for method, target in (("POST", "/auth"), ("POST", "/api/v1/orders"), ("GET", "/greet/A")):
            response = gateway.send(method, target, CONTENT_LENGTH=length)
            refused(response, 413, "content_too_large")

    assert stub.received == []


def test_body_that_ends_early_reaches_no_service(gateway, stub):
    response = gateway.send("POST", "/auth", body=b'{"a": 1}', CONTENT_LENGTH="20")

    refused(response, 400, "malformed")
    assert stub.received == []


def test_metrics_are_for_this_machine_and_have_patterns_for_paths(gateway):
    gateway.get("/greet/Somebody")
    gateway.get("/who/knows")

    text = gateway.get("/metrics").get_data(as_text=True)

    assert 'route="/greet/*",status="200"} 1.0' in text
    assert 'route="unmatched",status="404"} 1.0' in text
    assert "Somebody" not in text
    refused(gateway.get("/metrics", REMOTE_ADDR="10.0.0.1"), 404, "not_found")
    refused(gateway.get("/metrics", {"X-Forwarded-For": "127.0.0.1"}), 404, "not_found")


def test_a_service_explains_its_own_trouble(gateway, stub):
    for status in (400, 402, 409, 422, 502, 503, 504):
        stub.behaviour = problem(status, "own_words")
        refused_by_service = gateway.get("/greet/Alice")
        assert refused_by_service.status_code == status
        assert json.loads(refused_by_service.get_data())["code"] == "own_words"


def test_unexpected_failure_tells_the_client_nothing(gateway, monkeypatch, caplog):
    monkeypatch.setattr("gateway.edge.passed_on", lambda *_, **__: 1 / 0)

    response = gateway.get("/greet/Alice")

    refused(response, 500, "internal_error")
    assert "division" not in response.get_data(as_text=True)
    assert "ZeroDivisionError" in caplog.text


def test_refusal_of_another_site_is_on_the_trail(gateway, caplog):
    caplog.set_level("INFO", "audit")

    gateway.send("POST", "/auth", {"Sec-Fetch-Site": "cross-site"}, REMOTE_ADDR="9.9.9.9")

    (line,) = (record for record in caplog.records if record.name == "audit")
    expected = {"event": "access", "source": "9.9.9.9", "code": "cross_site_request"}
    assert expected.items() <= line.__dict__.items()
