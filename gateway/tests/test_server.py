"""The gateway as a process of its own, told things that no decent client says."""

import contextlib
import signal
import socket
import subprocess
import sys
from http.client import HTTPConnection

import pytest
from gevent import socket as gevent_socket

import gateway
from gateway.config import Config
from gateway.headers import SECURITY
from gateway.tests.conftest import ROOT, Server
from gateway.tests.stub import Stub, answer
from gateway.worker import ClientConnection
from tests.security.hostile import claims_to_be

CLOSE = b"Connection: close"
MARKER = b"GET /greet/Smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"


def request(line: bytes, *fields: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join([line + b" HTTP/1.1", b"Host: localhost", *fields, b"", body])


def status_of(reply: bytes) -> int:
    assert reply.startswith(b"HTTP/1."), reply[:100]
    return int(reply.split(b" ", 2)[1])


def post(*fields: bytes, body: bytes = b"") -> bytes:
    return request(b"POST /auth", *fields, body=body)


def chunked(*sizes: int) -> bytes:
    pieces = [b"%x\r\n%s\r\n" % (size, b"x" * size) for size in sizes]
    return post(b"Transfer-Encoding: chunked", body=b"".join(pieces) + b"0\r\n\r\n")


@pytest.fixture(autouse=True)
def forgotten(behind):
    behind.behaviour = answer()
    behind.received.clear()


UNREADABLE = {
    "no host": b"GET /greet/A HTTP/1.1\r\n\r\n",
    "two hosts": request(b"GET /greet/A", b"Host: localhost"),
    "other host": request(b"GET /greet/A", b"X: y").replace(b"localhost", b"evil.test"),
    "absolute form": request(b"GET http://localhost/greet/A"),
    "absolute form, other host": request(b"GET http://evil.test/greet/A"),
    "authority form": request(b"CONNECT evil.test:443"),
    "asterisk form": request(b"OPTIONS *"),
    "lower-case method": request(b"get /greet/A"),
    "two slashes": request(b"GET //greet/A"),
    "dot segments": request(b"GET /greet/../internal/x"),
    "encoded dots": request(b"GET /greet/%2e%2e/internal/x"),
    "encoded slash": request(b"GET /greet/..%2finternal"),
    "backslash": request(b"GET /greet\\A"),
    "encoded NUL": request(b"GET /greet/%00"),
    "NUL": request(b"GET /greet/\0"),
    "bare LF": b"GET /greet/A HTTP/1.1\nHost: localhost\n\n",
    "bare CR": request(b"GET /greet/A", b"X: a\rb"),
    "folded header": request(b"GET /greet/A", b"X: a\r\n b"),
    "space before the colon": request(b"GET /greet/A", b"X : a"),
    "header without a name": request(b"GET /greet/A", b": a"),
    "version of the future": b"GET /greet/A HTTP/3.7\r\nHost: localhost\r\n\r\n",
    "nothing but noise": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}


@pytest.mark.parametrize("raw", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_can_be_read_in_two_ways_is_refused(server, behind, raw):
    reply = server.say(raw)

    assert status_of(reply) == 400
    assert b"evil" not in reply
    assert behind.received == []


SMUGGLED = {
    "CL.TE": post(b"Content-Length: 6", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "TE.CL": post(
        b"Transfer-Encoding: chunked", b"Content-Length: 4", body=b"5\r\nhello\r\n0\r\n\r\n"
    ),
    "TE.TE": post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: x", body=b"0\r\n\r\n"),
    "stacked codings": post(b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n"),
    "hidden coding": post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
    "coding without chunks": post(b"Transfer-Encoding: gzip", body=b"x"),
    "two lengths": post(b"Content-Length: 0", b"Content-Length: 49"),
    "list of lengths": post(b"Content-Length: 0, 49"),
    "signed length": post(b"Content-Length: +0"),
    "negative length": post(b"Content-Length: -0"),
    "odd length": post(b"Content-Length: 0_1"),
    "HTTP/1.0 with chunks": chunked(1).replace(b"HTTP/1.1", b"HTTP/1.0", 1),
    "bad chunk": post(b"Transfer-Encoding: chunked", body=b"zz\r\n"),
    "chunk without its end": post(b"Transfer-Encoding: chunked", body=b"1\r\nabc\r\n0\r\n\r\n"),
    "bare CR in an extension": post(
        b"Transfer-Encoding: chunked", body=b"1;a\rb\r\nx\r\n0\r\n\r\n"
    ),
    "forbidden trailer": post(
        b"Transfer-Encoding: chunked", body=b"0\r\nContent-Length: 1\r\n\r\n"
    ),
}


@pytest.mark.parametrize("raw", SMUGGLED.values(), ids=SMUGGLED.keys())
def test_nothing_can_be_smuggled_behind_a_request(server, behind, raw):
    reply = server.say(raw + MARKER)

    assert status_of(reply) == 400
    assert reply.count(b"HTTP/1.1 ") == 1
    assert behind.received == []


LIMITS = {
    "body above the limit": (413, post(b"Content-Length: 1100000", body=b"x" * 1_100_000)),
    "chunks above the limit": (413, chunked(*[100_000] * 11)),
    "length of thousands of digits": (413, post(b"Content-Length: " + b"9" * 4000)),
    "too many headers": (431, request(b"GET /greet/A", *[b"X-%d: y" % n for n in range(100)])),
    "too long a header": (431, request(b"GET /greet/A", b"X: " + b"y" * 9000)),
    "endless header": (431, request(b"GET /greet/A", b"X: " + b"y" * 2_000_000)),
    "too long an address": (414, request(b"GET /greet/" + b"a" * 9000)),
    "too many parameters": (400, request(b"GET /greet/A?" + b"&".join([b"a=1"] * 1500), CLOSE)),
    "200 segments": (404, request(b"GET " + b"/greet" * 200, CLOSE)),
}


@pytest.mark.parametrize(("status", "raw"), LIMITS.values(), ids=LIMITS.keys())
def test_limits_hold(server, behind, status, raw):
    with server.connect() as connection:
        # The gateway need not listen to the end.
        with contextlib.suppress(ConnectionError):
            connection.sendall(raw)
        reply = b"".join(iter(lambda: connection.recv(65536), b""))

    assert status_of(reply) == status
    assert behind.received == []


REFUSED = {**UNREADABLE, **SMUGGLED, **{name: raw for name, (_, raw) in LIMITS.items()}}


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED.keys())
def test_what_the_server_refuses_looks_like_every_refusal(server, raw):
    with server.connect() as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
        reply = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = reply.partition(b"\r\n\r\n")
    fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])

    assert fields["Content-Type"] == "application/problem+json"
    assert {name: fields[name] for name in SECURITY} == SECURITY
    assert fields["Content-Length"] == str(len(body))
    assert b'"request_id"' in body
    assert fields["Cache-Control"] == "no-store"
    assert fields.get("Server", "potion-shop") == "potion-shop"
    assert "gunicorn" not in head.decode().lower()


def test_connection_is_kept_over_many_requests(server, behind):
    reply = server.say(request(b"GET /greet/A") * 3 + request(b"HEAD /greet/B", CLOSE))

    assert reply.count(b"HTTP/1.1 200 ") == 4
    assert [got.target for got in behind.received] == ["/greet/A"] * 3 + ["/greet/B"]


def test_chunked_body_arrives_with_a_length(server, behind):
    reply = server.say(chunked(3, 70_000))

    assert status_of(reply) == 200
    assert behind.last.get("Content-Length") == "70003"
    assert "transfer-encoding" not in behind.last.names


def test_identity_headers_do_not_survive_underscores_or_connection(server, behind):
    claims = [f"{name}: {value}".encode() for name, value in claims_to_be("admin").items()]
    forged = [b"X_User_Id: 1", b"x-user-id: 1", b"X-User-Id: 2", b"X_Request_Id: forged"]
    names = b"X-Request-Id, X-Forwarded-For, X-User-Id, close"

    server.say(request(b"GET /greet/A", *claims, *claims, *forged, b"Connection: " + names))

    assert behind.last.names == {
        *("host", "x-request-id", "traceparent", "x-deadline-ms", "x-forwarded-for"),
        "x-forwarded-proto",
    }
    assert (behind.last.get("X-Forwarded-For"), behind.last.get("X-Request-Id")) != (
        "::1",
        "forged",
    )


def test_token_is_verified_with_the_issuers_key_set(server, behind, mint):
    token = mint.user().encode()

    good = server.say(request(b"GET /products", b"Cookie: token=" + token))
    bad = server.say(request(b"GET /products", b"Cookie: token=" + token[:-4] + b"AAAA"))

    assert (status_of(good), status_of(bad)) == (200, 401)
    assert behind.last.get("Authorization") == f"Bearer {token.decode()}"


def test_half_sent_requests_stop_nobody(server):
    slow = [server.connect() for _ in range(50)]
    for connection in slow:
        connection.sendall(b"POST /auth HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nx")

    assert status_of(server.say(request(b"GET /healthz"))) == 200
    for connection in slow:
        connection.close()


@pytest.mark.parametrize("just_answered", [True, False])
def test_stop_is_quick_although_a_browser_keeps_its_connection(tmp_path, just_answered):
    stub = Stub()
    server = Server(tmp_path, stub)
    browser = HTTPConnection("127.0.0.1", server.port, timeout=10)
    browser.request("GET", "/healthz", headers={"Host": "localhost"})
    assert browser.getresponse().read() == b'{"status":"ok"}\n'
    if not just_answered:
        server.say(request(b"GET /healthz", CLOSE))

    server.process.send_signal(signal.SIGTERM)

    assert browser.sock.recv(1) == b""
    assert server.process.wait(6) == 0
    browser.close()
    stub.close()


def test_trusted_proxy_says_who_the_client_is_and_how_it_came(tmp_path):
    stub = Stub()
    server = Server(tmp_path, stub, TRUSTED_PROXIES="127.0.0.0/8")

    server.say(
        request(b"GET /greet/A", b"X-Forwarded-For: 9.9.9.9", b"X-Forwarded-Proto: https", CLOSE)
    )

    assert stub.last.get("X-Forwarded-For") == "9.9.9.9"
    assert stub.last.get("X-Forwarded-Proto") == "https"
    server.close()
    stub.close()


def test_wrong_settings_are_named_without_a_traceback(tmp_path):
    stub = Stub()
    environ = {"SHOP_ENV": "production", "GATEWAY_RATE_LIMIT": "fast"}
    server = Server(tmp_path, stub, stderr=subprocess.PIPE, **environ)
    _, message = server.process.communicate(timeout=20)
    stub.close()

    assert server.process.returncode == 78
    assert b"ALLOWED_HOSTS: is required in production" in message
    assert b"GATEWAY_RATE_LIMIT: " in message
    assert b"Traceback" not in message


@pytest.fixture
def accepted():
    """Give a connection as the worker has it, and the client's end."""
    client, here = gevent_socket.socketpair()
    connection = ClientConnection(here)
    yield connection, client
    connection.close()
    client.close()


def test_client_that_sends_too_slowly_is_given_up(accepted):
    connection, client = accepted
    client.sendall(b"G")
    connection.expect(5, idle=True)
    assert connection.recv(10) == b"G"
    assert not connection.idle

    connection.expect(0.01, idle=False)
    with pytest.raises(ConnectionResetError, match="too slow"):
        connection.recv(10)


def test_client_that_reads_too_slowly_is_given_up(accepted, monkeypatch):
    connection, _ = accepted
    monkeypatch.setattr("gateway.worker.WRITE_SECONDS", 0.01)

    with pytest.raises(ConnectionResetError, match="too slow"):
        connection.sendall(b"x" * 10_000_000)


def test_refused_client_can_read_why(accepted):
    connection, client = accepted
    client.sendall(b"x" * 1000)
    connection.sendall(b"refused")
    client.shutdown(socket.SHUT_WR)
    connection.lingers = True

    connection.close()

    assert client.recv(100) == b"refused"
    assert client.recv(100) == b""


def test_standard_library_is_patched_before_anything_needs_it():
    script = "import gateway, sys; assert 'ssl' not in sys.modules; import gateway.__main__"

    command = [sys.executable, "-W", "error", "-c", script]

    assert subprocess.run(command, cwd=ROOT, check=False, timeout=30).returncode == 0


def test_package_gives_the_application_to_other_servers(tmp_path):
    app = gateway.create_app(Config.from_environ({"SHOP_DATA_DIR": str(tmp_path)}))

    assert app.test_client().get("/healthz").get_json() == {"status": "ok"}
