"""What the gateway makes of services that are dead, hung, slow or talk rubbish."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from chassis.outbound.retry import NotSent
from gateway import wire
from gateway.tests.conftest import SERVICES
from gateway.tests.stub import Stub, answer, problem

GREETING = "/greet/Alice"


@pytest.fixture
def dead_url():
    """Give an address that refuses connections, because its port is taken but not listened on."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{reserved.getsockname()[1]}"


@pytest.fixture
def released():
    """Give an event that ends whatever a stub waits for."""
    event = threading.Event()
    yield event
    event.set()


def at_once(gateway, number, target=GREETING):
    """Send requests at the same time, and return each answer with the seconds that it took."""

    def timed(_):
        started = time.monotonic()
        return gateway.get(target), time.monotonic() - started

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(timed, range(number)))


def statuses(timed):
    return sorted(response.status_code for response, _ in timed)


def code(response):
    return response.get_json()["code"]


def test_dead_service_is_soon_left_alone(make_gateway, dead_url):
    gateway = make_gateway(GREETINGS_URL=dead_url)

    timed = [at_once(gateway, 1)[0] for _ in range(100)]

    assert statuses(timed) == [503] * 100
    assert all(int(response.headers["Retry-After"]) >= 1 for response, _ in timed)
    assert max(seconds for _, seconds in timed[:6]) < 0.15
    assert sorted(seconds for _, seconds in timed[6:])[92] < 0.05
    assert [code(response) for response, _ in timed].index("circuit_open") <= 5


def test_failing_service_sees_five_calls_and_the_retries_of_its_budget(gateway, stub):
    stub.behaviour = lambda exchange: exchange.reset()

    for _ in range(100):
        gateway.get(GREETING)

    assert gateway.state("greetings") == "open"
    assert 5 <= len(stub.received) <= 5 + 3


def test_hung_service_costs_nobody_much_time(gateway, stub, released):
    stub.behaviour = lambda _: released.wait(10)
    threads = threading.active_count()

    first = at_once(gateway, 20)
    then = at_once(gateway, 20)

    assert set(statuses(first)) <= {503, 504}
    assert max(seconds for _, seconds in first) < 1.5
    assert (statuses(then), max(seconds for _, seconds in then) < 0.15) == ([503] * 20, True)
    released.set()
    stub.drop_connections()
    deadline = time.monotonic() + 3
    while threading.active_count() > threads and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    assert threading.active_count() <= threads


def test_three_trials_reach_a_service_that_may_be_back(make_gateway, stub, clock):
    gateway = make_gateway(clock=clock)
    stub.behaviour = lambda exchange: exchange.reset()
    for _ in range(5):
        gateway.get(GREETING)
    clock.advance(10)
    stub.received.clear()
    refused, all_refused = [], threading.Event()

    def answer_last(exchange):
        all_refused.wait(5)
        exchange.send(answer())

    def ask(_):
        response = gateway.get(GREETING)
        if response.status_code == 503:
            refused.append(response)
            if len(refused) == 47:
                all_refused.set()
        return response.status_code

    stub.behaviour = answer_last
    with ThreadPoolExecutor(50) as pool:
        results = sorted(pool.map(ask, range(50)))

    assert (results, len(stub.received)) == ([200] * 3 + [503] * 47, 3)
    assert gateway.state("greetings") == "closed"


@pytest.mark.parametrize("status", [404, 409, 422])
def test_refusals_on_business_grounds_are_no_failures(gateway, stub, status):
    stub.behaviour = problem(status, "own_words")

    assert {gateway.get(GREETING).status_code for _ in range(70)} == {status}
    assert gateway.state("greetings") == "closed"
    assert len(stub.received) == 70


def test_service_that_explains_a_neighbours_trouble_is_not_to_blame(gateway, stub):
    stub.behaviour = problem(503, "circuit_open")

    assert [gateway.get(GREETING).status_code for _ in range(10)] == [503] * 10
    assert gateway.state("greetings") == "closed"


def test_calls_do_not_wait_for_one_another(gateway, stub):
    together = threading.Barrier(10)

    def meet(exchange):
        together.wait(5)
        exchange.send(answer())

    stub.behaviour = meet

    assert statuses(at_once(gateway, 10)) == [200] * 10


def test_each_service_has_a_breaker_of_its_own(make_gateway, dead_url, mint):
    gateway = make_gateway(GREETINGS_URL=dead_url)
    for _ in range(6):
        gateway.get(GREETING)

    states = {
        name: entry["breaker"] for name, entry in gateway.get("/status").json["services"].items()
    }

    assert states.pop("greetings") == "open"
    assert set(states.values()) == {"closed"}
    assert gateway.get("/api/v1/products").status_code == 200


def test_health_does_not_depend_on_the_services(make_gateway, dead_url):
    urls = {f"{name.upper()}_URL": dead_url for name in SERVICES}
    gateway = make_gateway(keys=None, **urls)
    for target in (GREETING, "/api/v1/products", "/api/v1/orders") * 3:
        assert gateway.get(target).status_code in {401, 503}

    assert [gateway.get(path).status_code for path in ("/healthz", "/readyz", "/")] == [200] * 3


def test_identities_wait_for_the_key_set(make_gateway, mint, stub, clock):
    gateway = make_gateway(keys=None, clock=clock)
    headers = {"Authorization": f"Bearer {mint.user()}"}
    stub.pages["/.well-known/jwks.json"] = problem(503, "unavailable")

    without = gateway.get("/products", headers)
    stub.pages["/.well-known/jwks.json"] = answer(200, mint.jwks())
    clock.advance(5)

    assert (without.status_code, int(without.headers["Retry-After"]) >= 1) == (503, True)
    assert stub.received == []
    assert gateway.get("/products", headers).status_code in {200, 401}


def broken(head, body=b""):
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + head + b"\r\n\r\n" + body


def cut(data):
    def send_and_reset(exchange):
        exchange.send(data)
        exchange.reset()

    return send_and_reset


def end(data):
    def send_and_close(exchange):
        exchange.send(data)
        exchange.connection.shutdown(socket.SHUT_RDWR)

    return send_and_close


RUBBISH = {
    "reset amid the body": cut(broken(b"Content-Length: 20", b'{"a":')),
    "end amid the body": end(broken(b"Content-Length: 20", b'{"a":')),
    "end amid a chunk": end(broken(b"Transfer-Encoding: chunked", b'5\r\n{"a"')),
    "end amid the head": end(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "too short a length": broken(b"Content-Length: 2", b'{"a":1}'),
    "too long a length": end(broken(b"Content-Length: 9", b'{"a":1}')),
    "two lengths": broken(b"Content-Length: 2\r\nContent-Length: 3", b"{}"),
    "length and chunks": broken(b"Content-Length: 2\r\nTransfer-Encoding: chunked", b"{}"),
    "two answers": answer() + answer(201),
    "no HTTP": b"220 mail.test ESMTP\r\n\r\n",
    "odd status": b"HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n",
    "unknown status": answer(600),
    "interim answer": b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n",
    "endless head": b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"x" * 200_000,
    "HTML": answer(200, "<h1>It works</h1>", media_type="text/html; charset=utf-8"),
    "cut JSON": answer(200, '{"data": [1, 2'),
    "no JSON": answer(200, "oops"),
    "500": answer(500, {"trace": "secret"}),
    "503 of who knows whom": answer(503, "busy", media_type="text/plain"),
}


@pytest.mark.parametrize("behaviour", RUBBISH.values(), ids=RUBBISH.keys())
def test_rubbish_is_a_502_and_counts_as_failure(gateway, stub, behaviour):
    stub.behaviour = behaviour

    responses = [gateway.get(GREETING) for _ in range(5)]

    assert [(r.status_code, code(r)) for r in responses] == [(502, "bad_upstream")] * 5
    assert "secret" not in responses[0].get_data(as_text=True)
    assert gateway.state("greetings") == "open"
    assert len(stub.received) == 5


def test_answer_above_the_limit_is_not_read_to_its_end(gateway, stub):
    sent = []

    def flood(exchange):
        exchange.send(broken(b"Content-Length: 100000000"))
        for _ in range(1000):
            exchange.send(b"x" * 100_000)
            sent.append(100_000)

    stub.behaviour = flood

    assert gateway.get(GREETING).status_code == 502
    assert sum(sent) < 4 * wire.MAX_BODY_BYTES


def test_drip_ends_with_the_time_of_the_request(gateway, stub, released):
    def drip(exchange):
        exchange.send(broken(b"Content-Length: 1000", b"{"))
        while not released.wait(0.005):
            exchange.send(b" ")

    stub.behaviour = drip
    started = time.monotonic()

    response = gateway.get(GREETING, {"X-Deadline-Ms": "600"})

    assert (response.status_code, code(response)) == (504, "deadline_exceeded")
    assert 0.5 < time.monotonic() - started < 1.2
    assert gateway.upstreams["greetings"].caller.breaker.window == ("failed",)


def test_client_in_a_hurry_can_not_open_the_breaker_for_others(gateway, stub, released):
    stub.behaviour = lambda _: released.wait(5)

    timed = [gateway.get(GREETING, {"X-Deadline-Ms": "10"}).status_code for _ in range(8)]

    assert timed == [504] * 8
    assert gateway.state("greetings") == "closed"


def test_kept_connection_is_used_again_and_a_stale_one_is_noticed(gateway, stub):
    for _ in range(3):
        gateway.send("POST", "/auth")
    used = stub.connections
    stub.drop_connections()

    assert gateway.send("POST", "/auth").status_code == 200
    assert (used, stub.connections, len(stub.received)) == (1, 2, 4)


def test_answer_that_nobody_asked_for_is_given_to_nobody(gateway, stub):
    sent = threading.Event()

    def answer_twice(exchange):
        exchange.send(answer(200, {"for": "the first"}))
        stub.behaviour = answer(200, {"for": "the second"})
        threading.Event().wait(0.05)
        exchange.send(answer(200, {"for": "nobody"}))
        sent.set()

    stub.behaviour = answer_twice
    first = gateway.get(GREETING).get_json()
    sent.wait(5)

    assert [first, gateway.get(GREETING).get_json()] == [
        {"for": "the first"},
        {"for": "the second"},
    ]


def test_answer_that_comes_after_an_interim_one_is_not_given_to_the_next(gateway, stub):
    asked_again = threading.Event()

    def answer_late(exchange):
        stub.behaviour = lambda other: [asked_again.set(), other.send(answer(200, {"for": "B"}))]
        exchange.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        asked_again.wait(0.3)
        exchange.send(answer(200, {"for": "A"}))

    stub.behaviour = answer_late

    assert gateway.get("/greet/A").status_code == 502
    assert gateway.get("/greet/B").get_json() == {"for": "B"}


def test_read_is_repeated_when_the_connection_is_lost_over_it(gateway, stub):
    def fail_once(exchange):
        stub.behaviour = answer()
        exchange.reset()

    stub.behaviour = fail_once

    assert gateway.get(GREETING).status_code == 200
    assert len(stub.received) == 2


def test_order_is_never_sent_twice(gateway, stub, mint):
    stub.behaviour = lambda exchange: exchange.reset()
    headers = {"Authorization": f"Bearer {mint.user()}", "Idempotency-Key": "k"}

    response = gateway.send("POST", "/api/v1/orders", headers)

    assert (response.status_code, int(response.headers["Retry-After"]) >= 1) == (503, True)
    assert len(stub.received) == 1


@pytest.mark.parametrize(("key", "received"), [({"Idempotency-Key": "k"}, ["k"]), ({}, [])])
def test_write_that_was_not_sent_is_repeated_if_it_has_a_key(
    gateway, stub, mint, monkeypatch, key, received
):
    connections = gateway.upstreams["orders"]._connections
    connect, refusals = connections._connect, [NotSent()]
    monkeypatch.setattr(connections, "_connect", lambda: fail(refusals) or connect())

    gateway.send("POST", "/api/v1/orders", {"Authorization": f"Bearer {mint.user()}", **key})

    assert [exchange.get("Idempotency-Key") for exchange in stub.received] == received


def fail(errors):
    """Raise the next error, if there is another."""
    if errors:
        raise errors.pop()


def test_bulkhead_refuses_what_is_too_much_at_once(make_gateway, stub, released):
    gateway = make_gateway(GATEWAY_MAX_CONCURRENT="10")
    stub.behaviour = lambda _: released.wait(5)

    timed = at_once(gateway, 30)

    busy = [seconds for response, seconds in timed if code(response) == "bulkhead_full"]
    assert (len(busy), len(stub.received)) == (20, 10)
    assert max(busy) < 0.5


def test_every_form_of_framing_is_read(gateway, stub):
    for behaviour in (
        broken(
            b"Transfer-Encoding: chunked", b'4\r\n{"a"\r\n3\r\n:1}\r\n0\r\nX-Trailer: x\r\n\r\n'
        ),
        end(b'HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{"a":1}'),
        lambda exchange: [exchange.send(bytes([byte])) for byte in answer(200, {"a": 1})],
    ):
        stub.behaviour = behaviour
        response = gateway.get(GREETING)
        assert (response.status_code, response.get_json()) == (200, {"a": 1})
        assert "X-Trailer" not in response.headers


@pytest.mark.parametrize("url", ["products:8003", "http://", "ftp://x", "http://x/prefix"])
def test_address_that_is_none_is_named_at_the_start(make_gateway, url):
    with pytest.raises(wire.ConfigError, match="expected an address"):
        make_gateway(PRODUCTS_URL=url)


def test_service_may_be_reached_over_tls(make_gateway):
    upstream = make_gateway(PRODUCTS_URL="https://products.example").upstreams["products"]

    assert upstream._connections._address == ("products.example", 443)
    assert upstream._connections._tls.check_hostname


def test_stub_notes_what_it_gets():
    stub = Stub()
    with socket.create_connection(("127.0.0.1", int(stub.url.rsplit(":", 1)[1]))) as connection:
        connection.sendall(b"POST /x HTTP/1.1\r\nA: 1\r\nContent-Length: 2\r\n\r\nhi")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    stub.close()

    assert (stub.last.method, stub.last.get("a"), stub.last.body) == ("POST", "1", b"hi")
