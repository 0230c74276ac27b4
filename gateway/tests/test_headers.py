import re

import pytest

from gateway.headers import passed_back, passed_on, security_headers, wsgi_key


def environ(**headers):
    return {wsgi_key(name.replace("_", "-")): value for name, value in headers.items()}


def test_strangers_headers_reach_no_service():
    forged = environ(
        X_User_Id="1", X_User_Role="admin", X_Forwarded_User="root", X_Forwarded_For="9.9.9.9",
        Forwarded="for=9.9.9.9", X_Internal_Token="x", X_Http_Method_Override="DELETE",
        X_Original_Url="/internal/x", Cookie="token=x", Authorization="Bearer x", Origin="x",
        Sec_Fetch_Site="none", Host="x", Connection="keep-alive", Te="trailers", Upgrade="h2c",
        Transfer_Encoding="chunked", Content_Length="7", X_Request_Id="x", X_Deadline_Ms="1",
        Proxy="http://evil.test",
    )  # fmt: skip

    assert passed_on(forged) == []


def test_end_to_end_headers_go_on_even_when_the_connection_header_names_them():
    sent = environ(
        Accept="*/*", If_None_Match='"1"', Idempotency_Key="k", Webhook_Signature="t=1,v1=x",
        Connection="close, Idempotency-Key, Accept",
    )  # fmt: skip

    kept = dict(passed_on({**sent, "CONTENT_TYPE": "application/json"}))

    assert kept == {
        "Accept": "*/*",
        "If-None-Match": '"1"',
        "Idempotency-Key": "k",
        "Webhook-Signature": "t=1,v1=x",
        "Content-Type": "application/json",
    }


def test_answers_lose_what_is_for_one_connection_or_the_gateways_to_say():
    sent = [
        ("Server", "gunicorn/27"), ("X-Powered-By", "Flask"), ("Connection", "close"),
        ("Transfer-Encoding", "chunked"), ("Keep-Alive", "timeout=5"), ("Content-Length", "3"),
        ("Access-Control-Allow-Origin", "*"), ("access-control-allow-credentials", "true"),
        ("content-security-policy", "default-src *"), ("X-Request-Id", "other"), ("Date", "now"),
        ("Set-Cookie", "a=1"), ("ETag", '"1"'), ("Location", "/api/v1/orders/1"),
    ]  # fmt: skip

    kept = passed_back(sent, private=False, cookies=False)

    assert kept == [("ETag", '"1"'), ("Location", "/api/v1/orders/1")]


@pytest.mark.parametrize(("private", "expected"), [(True, "no-store"), (False, "max-age=60")])
def test_private_answers_may_not_be_stored_whatever_the_service_says(private, expected):
    kept = passed_back([("Cache-Control", "max-age=60")], private=private, cookies=False)

    assert kept == [("Cache-Control", expected)]


def test_every_cookie_of_the_issuer_is_passed_back():
    cookies = [("Set-Cookie", "token=1; HttpOnly"), ("Set-Cookie", "refresh=2; HttpOnly")]

    assert passed_back(cookies, private=False, cookies=True) == cookies


def test_browsers_are_told_to_insist_on_tls_in_production_only():
    hsts = "Strict-Transport-Security"

    assert hsts not in dict(security_headers(production=False))
    assert dict(security_headers(production=True))[hsts].startswith("max-age=63072000")


def test_answers_carry_every_header_that_protects_browsers():
    headers = dict(security_headers(production=True))
    policy = {
        rule.partition(" ")[0]: rule for rule in headers["Content-Security-Policy"].split("; ")
    }
    hsts = re.fullmatch(r"max-age=(\d+); includeSubDomains", headers["Strict-Transport-Security"])

    assert {policy[name] for name in ("default-src", "object-src", "base-uri")} == {
        *("default-src 'self'", "object-src 'none'", "base-uri 'none'"),
    }
    assert policy["frame-ancestors"] == "frame-ancestors 'none'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "geolocation=()" in headers["Permissions-Policy"]
    assert int(hsts[1]) >= 365 * 86400
