"""Look at what every answer carries, whatever it answers (cases 124, 128, 129, 132)."""

import json
from urllib.parse import quote, urlsplit

import pytest

from gateway.headers import SECURITY
from tests.security.cookies import flaws
from tests.security.policy import AT_THE_GATEWAY, OPERATIONS, Access, each
from tests.security.world import OTHER_VALUES, filled

REACHABLE = [o for o in OPERATIONS if o in AT_THE_GATEWAY or o.service == "gateway"]
ORIGINS = (
    *("https://evil.example", "null", "http://{host}.evil.example", "http://evil-{host}"),
    *("http://{host}@evil.example", "https://{host}", "http://{name}:81", "http://{host}"),
)
ELSEWHERE = (
    *("//evil.example", r"/\evil.example", "https:evil.example", "https://evil.example"),
    *("javascript:alert(1)", "/%0d%0aLocation:%20//evil.example", "\r\nLocation: //evil.example"),
    *("http://{host}@evil.example", "/%2f%2fevil.example", "data:text/html,x", "///evil.example"),
)
PARAMETERS = (
    *("next", "return_to", "returnTo", "redirect", "redirect_uri", "url", "continue", "goto"),
    *("callback", "target", "dest", "rurl", "ReturnUrl"),
)


def path_of(operation):
    values = {**OTHER_VALUES, "filename": "shop.css"}
    query = f"?{filled(operation.query, values)}" if operation.query else ""
    return filled(operation.path, values) + query


def check_headers(reply, *, may_be_kept):
    assert {name: reply.headers.get_all(name) for name in SECURITY} == {
        name: [value] for name, value in SECURITY.items()
    }
    assert reply.headers["Server"] in {None, "potion-shop"}
    assert not [name for name in reply.headers if name.lower().startswith("access-control-")]
    assert "X-Powered-By" not in reply.headers
    if not may_be_kept or reply.status >= 400:
        assert reply.headers.get_all("Cache-Control") == ["no-store"]
    if "no-store" not in (reply.headers["Cache-Control"] or ""):
        assert "Set-Cookie" not in reply.headers
    if reply.status >= 400 and reply.text:
        assert reply.headers["Content-Type"] == "application/problem+json"
        problem = json.loads(reply.text)
        assert (problem["status"], bool(problem["request_id"])) == (reply.status, True)


def is_elsewhere(location, host):
    url = urlsplit(location)
    return (
        url.netloc not in {"", host}
        or url.scheme not in {"", "http"}
        or location.startswith(("//", "/\\"))
    )


@each(REACHABLE)
def test_every_answer_has_the_headers_that_protect_it(line, cookies, operation):
    may_be_kept = operation.access is Access.PUBLIC and not operation.unsafe
    callers = {"nobody": {}, "a customer": cookies["nobody"], "a liar": {"Cookie": "token=x"}}
    path = path_of(operation)

    replies = [line.call(operation, headers) for headers in callers.values()]
    if operation.service == "gateway":
        replies = [line.send("GET", path, headers.items()) for headers in callers.values()]
    replies += [line.send("TRACE", path), line.send("GET", f"{path.partition('?')[0]}/no/such")]
    replies.append(line.send("GET", path, [("Host", "evil.example")]))

    for reply in replies:
        check_headers(reply, may_be_kept=may_be_kept)


@each(REACHABLE)
def test_no_other_site_may_read_an_answer(line, cookies, operation):
    name, _, _ = line.host.partition(":")
    origins = [origin.format(host=line.host, name=name) for origin in ORIGINS]
    asks = {"Access-Control-Request-Method": operation.method} | dict.fromkeys(
        ("Access-Control-Request-Headers", "Access-Control-Request-Private-Network"), "true"
    )

    for origin in origins:
        sent = {**cookies["nobody"], "Origin": origin}
        preflight = line.send("OPTIONS", path_of(operation), {**sent, **asks}.items())
        reply = line.send("GET", path_of(operation), sent.items())

        assert preflight.status == 405
        check_headers(preflight, may_be_kept=False)
        assert not [h for h in reply.headers if h.lower().startswith("access-control-")]


@each(REACHABLE)
def test_no_answer_leads_to_another_site(line, cookies, operation):
    path, _, query = path_of(operation).partition("?")
    where = [target.format(host=line.host) for target in ELSEWHERE]
    queries = [
        "&".join([query, *(f"{name}={quote(target, safe='')}" for name in PARAMETERS)]).strip("&")
        for target in where
    ]
    replies = [line.send("GET", f"{path}?{text}", cookies["nobody"].items()) for text in queries]
    if operation.unsafe:
        own = {**cookies["nobody"], "Referer": "https://evil.example/"}
        replies += [line.call(operation, own), line.call(operation, {"Accept": "text/html", **own})]

    for reply in replies:
        locations = [reply.headers[name] or "" for name in ("Location", "Content-Location")]
        assert [text for text in locations if text and is_elsewhere(text, line.host)] == []
        assert "Refresh" not in reply.headers
        assert not 300 <= reply.status < 400


@pytest.mark.parametrize("target", ELSEWHERE)
def test_what_leads_elsewhere_is_recognised(target):
    # So that the test above can fail at all; behind a percent sign, it is a path of the shop.
    expected = not target.startswith("/%")

    assert is_elsewhere(target.format(host="localhost"), "localhost") is expected


@pytest.mark.parametrize(
    ("line", "flaw"),
    [
        ("a=1; HttpOnly; Path=/; SameSite=Lax", "travels without TLS"),
        ("a=1; HttpOnly; Path=/; SameSite=Lax; Secure", "has no prefix"),
        ("__Host-a=1; Path=/; SameSite=Lax; Secure", "scripts can read it"),
        ("__Host-a=1; HttpOnly; Path=/; SameSite=None; Secure", "other sites can send it"),
        ("__Host-a=1; HttpOnly; Path=/; Secure", "other sites can send it"),
        ("__Host-a=1; Domain=a.test; HttpOnly; Path=/; SameSite=Lax; Secure", "other hosts get it"),
        ("__Host-a=1; HttpOnly; Path=/api/v1/auth; SameSite=Lax; Secure", "has a prefix that"),
        ("__Secure-a=1; HttpOnly; Path=/; SameSite=Lax; Secure", "could have the stronger prefix"),
        ("__Secure-a=1; HttpOnly; SameSite=Lax; Secure", "is for odd paths"),
        (f"__Host-a={'1' * 4096}; HttpOnly; Path=/; SameSite=Lax; Secure", "is too long"),
    ],
)
def test_unsafe_cookie_is_recognised(line, flaw):
    assert [found for found in flaws(line, production=True) if flaw in found]
    assert flaws("__Host-a=1; HttpOnly; Path=/; SameSite=Lax; Secure", production=True) == []
