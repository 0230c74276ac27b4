"""Hold the set-up that every application has against its promises."""

import io
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from marshmallow import fields

from chassis import tracing
from chassis.config import ServiceConfig
from chassis.errors import Conflict, NotFound, Unavailable
from chassis.inbound.api import Api, Blueprint, Integer, QueryInteger, Schema, Text
from chassis.inbound.app import create_flask
from chassis.inbound.health import add_readiness_check
from chassis.inbound.identity import current_principal, requires_role, requires_scope, requires_user
from chassis.testing import TokenMint, bearer


class ThingSchema(Schema):
    name = Text(required=True, minimum=1, maximum=10)
    count = Integer(minimum=0, maximum=10, load_default=0)


class Query(Schema):
    size = QueryInteger(minimum=1, maximum=9, load_default=5)


class BrokenThing(Conflict):
    code = "broken_thing"
    title = "The thing is broken"


def a_blueprint():
    bp = Blueprint("things", __name__)

    @bp.post("/things")
    @bp.arguments(ThingSchema)
    @bp.response(201, ThingSchema)
    def make_thing(thing):
        """Make a thing."""
        return thing

    @bp.get("/things")
    @bp.arguments(Query, location="query")
    @bp.response(200, Schema.from_dict({"size": fields.Integer()}))
    def list_things(query):
        return query

    @bp.post("/things/tidy")
    @bp.response(200)
    def tidy():
        return {"tidy": True}

    @bp.get("/things/<id:thing_id>")
    @bp.response(200)
    def show_thing(thing_id):
        raise NotFound(f"There is no thing {thing_id}.")

    return bp


def a_guarded_blueprint():
    bp = Blueprint("guarded", __name__)

    @bp.get("/broken")
    @bp.response(200)
    def broken():
        raise BrokenThing("Mend it first.", part="handle")

    @bp.get("/bug")
    @bp.response(200)
    def bug():
        raise RuntimeError("the secret is hunter2")

    @bp.get("/me")
    @requires_user
    @bp.response(200)
    def me():
        return {"subject": current_principal().subject}

    @bp.get("/operators")
    @requires_role("operator")
    @bp.response(200)
    def operators():
        return {}

    @bp.get("/internal/things")
    @requires_scope("things:read")
    @bp.response(200)
    def internal():
        return {}

    return bp


@pytest.fixture(scope="module")
def mint():
    return TokenMint()


@pytest.fixture
def app(tmp_path, mint):
    config = ServiceConfig.from_environ({"SHOP_DATA_DIR": str(tmp_path)})
    app = create_flask(__name__, config, key_set=mint)
    api = Api(app, title="Things")
    api.register_blueprint(a_blueprint())
    api.register_blueprint(a_guarded_blueprint())
    return app


@pytest.fixture
def client(app):
    return app.test_client()


def test_problem_has_the_standard_members_and_the_message(client):
    answer = client.get("/broken", headers={"X-Request-Id": "abc"})

    assert answer.mimetype == "application/problem+json"
    assert answer.get_json() == {
        "type": "/problems/broken_thing",
        "title": "The thing is broken",
        "status": 409,
        "detail": "Mend it first.",
        "code": "broken_thing",
        "error": "The thing is broken",
        "request_id": "abc",
        "part": "handle",
    }


def test_bug_is_answered_without_its_text(client):
    answer = client.get("/bug")

    assert answer.status_code == 500
    assert b"hunter2" not in answer.data


def test_unknown_path_is_a_problem(client):
    answer = client.get("/nowhere")

    assert (answer.status_code, answer.get_json()["code"]) == (404, "not_found")


def test_wrong_method_names_the_allowed_ones(client):
    answer = client.delete("/things")

    assert (answer.status_code, answer.get_json()["title"]) == (405, "Method not allowed")
    assert {"GET", "POST"} <= set(answer.headers["Allow"].split(", "))


@pytest.mark.parametrize(
    "thing_id", ["0", "-1", "01", "1e5", "1.0", "9" * 20, "%EF%BC%91", "%00", "a[]"]
)
def test_ids_that_are_no_ids_are_not_found(client, thing_id):
    answer = client.get(f"/things/{thing_id}")

    assert (answer.status_code, answer.get_json()["code"]) == (404, "not_found")


def test_unknown_members_are_refused_by_name(client):
    answer = client.post("/things", json={"name": "x", "id": 7})

    assert answer.status_code == 422
    assert answer.get_json()["errors"] == {"id": ["Unknown field."]}


@pytest.mark.parametrize("count", [True, "1", 1.0, 1.5, -1, 11, None], ids=repr)
def test_integers_are_taken_at_their_word(client, count):
    assert client.post("/things", json={"name": "x", "count": count}).status_code == 422


@pytest.mark.parametrize("size", ["0", "10", "-1", "1.0", "%EF%BC%91", "9" * 30, "", "1&size=2"])
def test_query_integers_are_plain_digits_given_once(client, size):
    assert client.get(f"/things?size={size}").status_code == 422


def test_body_above_the_limit_is_refused(client):
    answer = client.post("/things", data=b" " * (1024 * 1024 + 1), content_type="application/json")

    assert answer.status_code == 413


def broken():
    raise ZeroDivisionError("as a server does with broken chunks")


@pytest.mark.parametrize(
    ("stream", "length"),
    [(SimpleNamespace(read=lambda *_: broken()), 2), (io.BytesIO(b"{}"), 50)],
    ids=["broken", "cut"],
)
def test_body_that_did_not_arrive_whole_is_malformed(app, stream, length):
    environ = {"wsgi.input": stream, "CONTENT_LENGTH": str(length)}

    answer = app.test_client().post(
        "/things", content_type="application/json", environ_overrides=environ
    )

    assert (answer.status_code, answer.get_json()["code"]) == (400, "malformed")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.test"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 201),
        ({"Origin": "http://localhost"}, 201),
        ({"Origin": "https://evil.test", "Authorization": "Bearer x"}, 201),
        ({}, 201),
    ],
)
def test_other_sites_can_not_make_a_browser_write(client, headers, status):
    assert client.post("/things", json={"name": "x"}, headers=headers).status_code == status


def test_missing_and_unusable_tokens_are_told_apart_and_no_more(client):
    missing, invalid = client.get("/me"), client.get("/me", headers=bearer("x"))

    assert missing.get_json()["error"] == "Authorization token is missing"
    assert invalid.get_json()["error"] == "Authorization token is invalid"
    assert (missing.status_code, invalid.status_code) == (401, 401)
    assert invalid.headers["WWW-Authenticate"] == "Bearer"


def test_token_comes_in_the_header_or_the_cookie(client, mint):
    token = mint.user("alice")
    by_header = client.get("/me", headers=bearer(token))

    client.set_cookie("token", token)

    assert by_header.get_json() == client.get("/me").get_json() == {"subject": "alice"}


def test_header_wins_over_the_cookie(client, mint):
    client.set_cookie("token", mint.user("alice"))

    assert client.get("/me", headers=bearer(mint.user("bob"))).get_json() == {"subject": "bob"}


def test_production_reads_the_cookie_that_no_other_host_can_plant(tmp_path, mint):
    environ = {"SHOP_DATA_DIR": str(tmp_path), "SHOP_ENV": "production"}
    app = create_flask(__name__, ServiceConfig.from_environ(environ), key_set=mint)
    Api(app, title="Things").register_blueprint(a_guarded_blueprint())
    cookies = [f"{name}={mint.user()}" for name in ("token", "__Host-token")]

    client = app.test_client(use_cookies=False)
    answers = [client.get("/me", headers={"Cookie": cookie}) for cookie in cookies]

    assert [answer.status_code for answer in answers] == [401, 200]


def test_two_cookies_are_refused(app, mint):
    cookies = f"token={mint.user()}; token={mint.user()}"

    answer = app.test_client(use_cookies=False).get("/me", headers={"Cookie": cookies})

    assert (answer.status_code, answer.get_json()["code"]) == (401, "invalid_token")


@pytest.mark.parametrize(
    ("path", "who", "status"),
    [
        ("/operators", "customer", 403),
        ("/operators", "operator", 200),
        ("/operators", "service", 401),
        ("/me", "service", 401),
        ("/internal/things", "operator", 403),
        ("/internal/things", "other", 403),
        ("/internal/things", "service", 200),
    ],
)
def test_roles_and_scopes_decide_who_may_call(client, mint, path, who, status):
    token = {
        "customer": mint.user(roles=("customer",)),
        "operator": mint.user(roles=("operator",)),
        "service": mint.service("orders", "things:read"),
        "other": mint.service("orders", "things:write"),
    }[who]

    assert client.get(path, headers=bearer(token)).status_code == status


def test_identity_headers_are_not_believed(client):
    forged = {"X-User-Id": "alice", "X-User-Role": "operator", "X-Forwarded-User": "alice"}

    assert client.get("/me", headers=forged).status_code == 401


def test_alive_even_when_not_ready(app, client):
    def check():
        raise Unavailable

    add_readiness_check(app, "database", check)

    answer = client.get("/readyz")
    assert client.get("/healthz").status_code == 200
    assert (answer.status_code, answer.get_json()["failing"]) == (503, ["database"])


def test_requests_are_counted_by_route_and_not_by_path(client):
    client.get("/things/1")
    client.get("/things/2")

    text = client.get("/metrics").get_data(as_text=True)
    assert 'http_requests_total{method="GET",route="/things/<id:thing_id>",status="404"} 2' in text


def test_answers_carry_their_request_id_and_stay_out_of_caches(client):
    answer = client.get("/things", headers={"X-Request-Id": "abc"})

    assert answer.headers["X-Request-Id"] == "abc"
    assert answer.headers["Cache-Control"] == "no-store"


def test_trace_is_continued_however_its_header_is_spelled(app, client):
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    seen = []
    app.after_request(lambda answer: seen.append(tracing.current().trace_id) or answer)

    for name in ("traceparent", "Traceparent", "TRACEPARENT"):
        client.get("/things", headers={name: f"00-{trace_id}-b7ad6b7169203331-01"})

    assert seen == [trace_id] * 3


def test_document_has_the_docstring_the_problems_and_who_may_call(client):
    document = client.get("/openapi.json").get_json()

    assert document["paths"]["/things"]["post"]["summary"] == "Make a thing."
    assert document["paths"]["/me"]["get"]["security"] == [{"bearer": []}]
    invalid = document["components"]["responses"]["UNPROCESSABLE_ENTITY"]
    assert "application/problem+json" in invalid["content"]


@pytest.fixture
def eager_threads():
    """Have threads take turns as often as they can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def test_many_may_be_the_first_to_ask_for_the_document(app, eager_threads):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: app.test_client().get("/openapi.json"), range(8)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.data for answer in answers}) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 200), (b"{}", 200), (b'{"all": true}', 422), (b"[]", 422), (b"{", 400), (b" ", 400)],
)
def test_route_without_a_body_refuses_members(client, body, status):
    answer = client.post("/things/tidy", data=body, content_type="application/json")

    assert answer.status_code == status


def test_route_without_a_body_names_what_it_refuses(client):
    answer = client.post("/things/tidy", json={"all": True})

    assert (answer.json["code"], answer.json["errors"]) == ("invalid", {"all": ["Unknown field."]})
