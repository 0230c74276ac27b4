import gzip
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError

from chassis import tracing
from chassis.errors import BadUpstream, DeadlineExceeded, ServiceError, Unavailable
from chassis.outbound import deadline, retry
from chassis.outbound.breaker import BreakerPolicy, BreakerState, CircuitOpen, Outcome
from chassis.outbound.bulkhead import BulkheadFull
from chassis.outbound.client import Answer, ServiceClient
from chassis.outbound.deadline import HEADER
from chassis.outbound.retry import NotSent
from chassis.outbound.tests.neighbours import (
    ScriptedTransport,
    abort,
    drip,
    http_answer,
    say,
    stay_silent,
)

GOOD = http_answer(b'{"ok": true}')
NEVER = BreakerPolicy(failure_threshold=10**6, minimum_calls=10**6)
# What requests makes of a refused and of a suddenly closed connection.
REFUSED = requests.ConnectionError(MaxRetryError(None, "/", NewConnectionError(None, "refused")))
CLOSED = requests.ConnectionError(ProtocolError("aborted", ConnectionResetError()))


@pytest.fixture
def connect(monkeypatch):
    """Return a function that makes clients which are closed after the test."""
    monkeypatch.setattr(retry, "BACKOFF_SECONDS", 0)
    clients = []

    def make(url: str = "http://neighbour.test", **options) -> ServiceClient:
        clients.append(ServiceClient("neighbour", url, **{"read_timeout": 5.0, **options}))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def arrive():
    """Return a function that makes calls inherit a deadline in milliseconds."""
    yield lambda milliseconds: deadline.begin({HEADER: str(milliseconds)})
    deadline.begin({})


def outcome(client: ServiceClient) -> type[ServiceError] | int:
    """Make a call and return its status, or what it raised."""
    try:
        return client.get("/thing").status
    except ServiceError as error:
        return type(error)


def outcomes(client: ServiceClient, calls: int) -> list[type[ServiceError] | int]:
    return [outcome(client) for _ in range(calls)]


def outcomes_at_once(client: ServiceClient, calls: int) -> list[type[ServiceError] | int]:
    with ThreadPoolExecutor(calls) as pool:
        return list(pool.map(lambda _: outcome(client), range(calls)))


# --- What a call sends and returns ---


def test_answer_carries_status_body_and_headers(start_callee, connect):
    callee = start_callee(say(http_answer(b'{"id": 7}', "201 Created", Location="/things/7")))

    answer = connect(callee.url + "/base/").post("/things?dry=1", json={"name": "x"})

    assert (answer.status, answer.body, answer.headers["Location"]) == (201, {"id": 7}, "/things/7")
    assert callee.requests[0].startswith("POST /base/things?dry=1 HTTP/1.1\r\n")
    assert callee.requests[0].endswith('{"name": "x"}')


def test_call_carries_trace_key_and_deadline(connect, arrive):
    transport = ScriptedTransport((200, {}, {}))
    trace = tracing.begin({"X-Request-Id": "abc"})
    arrive(500)

    connect(transport=transport).post("/things", idempotency_key="k1")

    sent = transport.requests[0]
    assert (sent["X-Request-Id"], sent["traceparent"]) == ("abc", trace.traceparent)
    assert sent["Idempotency-Key"] == "k1"
    assert 400 < int(sent[HEADER]) < 500


def test_own_timeout_limits_a_longer_deadline(connect, arrive):
    transport = ScriptedTransport((200, {}, {}))
    arrive(60_000)

    connect(transport=transport, connect_timeout=0.25, read_timeout=1.0).get("/thing")

    assert int(transport.requests[0][HEADER]) < 1250


def test_connection_is_kept_from_call_to_call(start_callee, connect):
    callee = start_callee(say(GOOD))
    client = connect(callee.url)

    assert outcomes(client, 5) == [200] * 5
    assert callee.connections == 1


def test_cookies_of_one_answer_do_not_travel_with_the_next_call(start_callee, connect):
    callee = start_callee(say(http_answer(b"{}", Set_Cookie="token=secret; Path=/")))
    client = connect(callee.url)

    outcomes(client, 2)

    assert "cookie" not in callee.requests[1].lower()


def test_proxy_of_the_environment_is_not_used(start_callee, connect, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    callee = start_callee(say(GOOD))

    assert outcome(connect(callee.url)) == 200


def test_answer_without_content_has_an_empty_body(start_callee, connect):
    callee = start_callee(say(b"HTTP/1.1 204 No Content\r\n\r\n"))

    assert connect(callee.url).get("/thing").body == {}


def test_redirects_are_returned(start_callee, connect):
    elsewhere = http_answer(b"{}", "302 Found", Location="http://127.0.0.1:9/")
    callee = start_callee(say(elsewhere))

    assert connect(callee.url).get("/thing").status == 302


OUTSIDE = ["thing", "", "//evil.test/", "@evil.test", "/a/../../b", "/%2e%2e/b", "/..%2fb"]
UNCLEAN = ["/a b", "/a\\b", "/a#b", "/é", "/a\r\nX: y"]


@pytest.mark.parametrize("path", OUTSIDE + UNCLEAN)
def test_path_that_could_leave_the_base_address_is_refused(connect, path):
    with pytest.raises(ValueError, match="below the base address"):
        connect().get(path)


# --- What goes wrong, and what it is called ---


def test_503_passes_on_when_to_come_back(connect):
    client = connect(transport=ScriptedTransport((503, {}, {"Retry-After": "7"})))

    with pytest.raises(Unavailable) as failure:
        client.get("/thing")

    assert failure.value.headers == {"Retry-After": "7"}


@pytest.mark.parametrize(
    ("status", "error"), [(500, BadUpstream), (502, BadUpstream), (503, Unavailable)]
)
def test_error_of_the_neighbour_is_a_failure_and_is_not_retried(connect, status, error):
    transport = ScriptedTransport((status, {}, {"Retry-After": "soon"}))
    client = connect(transport=transport)

    assert outcome(client) is error
    assert client.caller.breaker.window == ("failed",)
    assert len(transport.requests) == 1


@pytest.mark.parametrize("status", [404, 409, 422])
def test_refusals_on_business_grounds_are_returned_and_count_for_nothing(connect, status):
    client = connect(transport=ScriptedTransport((status, {"code": "no"}, {})))

    assert outcomes(client, 200) == [status] * 200
    assert client.get("/thing").body == {"code": "no"}
    assert (client.caller.breaker.state, client.caller.breaker.window) == (BreakerState.CLOSED, ())


def test_refusal_without_json_still_counts_as_one(start_callee, connect):
    callee = start_callee(say(http_answer(b"<h1>Not Found</h1>", "404 Not Found")))

    answer = connect(callee.url).get("/thing")

    assert (answer.status, answer.body) == (404, {})


def test_dead_neighbour_is_left_alone_after_five_attempts(connect):
    transport = ScriptedTransport(REFUSED)
    client = connect(transport=transport)

    seen = outcomes(client, 100)

    assert len(transport.requests) == 5
    assert set(seen[:2]) == {NotSent}
    assert set(seen[5:]) == {CircuitOpen}


def test_closed_port_is_unavailable(start_callee, connect):
    callee = start_callee(stay_silent)
    callee.close()

    assert outcome(connect(callee.url)) is NotSent


def test_hung_neighbour_costs_each_caller_one_timeout_until_it_opens(start_callee, connect):
    callee = start_callee(stay_silent)
    client = connect(callee.url, read_timeout=0.2)
    began = time.monotonic()

    first = outcomes_at_once(client, 20)

    assert set(first) <= {DeadlineExceeded, CircuitOpen}
    assert time.monotonic() - began < 1.0
    assert outcome(client) is CircuitOpen
    assert client.caller.bulkhead.in_flight == 0


def test_caller_in_a_hurry_cannot_open_the_breaker_for_others(start_callee, connect, arrive):
    callee = start_callee(stay_silent)
    client = connect(callee.url)

    for _ in range(6):
        arrive(20)
        assert outcome(client) is DeadlineExceeded

    assert client.caller.breaker.window == ()


def test_nothing_is_sent_after_the_deadline(connect, arrive):
    transport = ScriptedTransport((200, {}, {}))
    arrive(1)

    assert outcome(connect(transport=transport)) is DeadlineExceeded
    assert transport.requests == []


def test_slow_answers_open_the_breaker_though_none_failed(connect, clock):
    class SlowTransport(ScriptedTransport):
        def send(self, *args, **kwargs):
            clock.advance(0.9)
            return super().send(*args, **kwargs)

    client = connect(transport=SlowTransport((200, {}, {})), clock=clock, read_timeout=1.0)

    assert outcomes(client, 11) == [200] * 10 + [CircuitOpen]


BROKEN = {
    "reset in the body": abort(GOOD[:-4]),
    "cut short": say(GOOD[:-4], close=True),
    "wrong length": say(http_answer(b"{}", Content_Length="200"), close=True),
    "two lengths": say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} "),
    "broken chunk": say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n"),
    "invalid JSON": say(http_answer(b'{"ok": tru')),
    "not an object": say(http_answer(b"[]")),
    "nested too deep": say(http_answer(b"[" * 100_000)),
    "HTML": say(http_answer(b"<html></html>", Content_Type="text/html")),
    "empty": say(http_answer(b"")),
    "no HTTP": say(b"220 mail.test ESMTP\r\n\r\n"),
    "encoded": say(http_answer(gzip.compress(b"{}"), Content_Encoding="gzip")),
}


@pytest.mark.parametrize("behaviour", BROKEN.values(), ids=BROKEN.keys())
def test_broken_answer_is_a_failure(start_callee, connect, behaviour):
    client = connect(start_callee(behaviour).url)

    assert outcome(client) is BadUpstream
    assert client.caller.breaker.window == ("failed",)
    assert client.caller.bulkhead.in_flight == 0


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 200 OK\r\n", http_answer(b"", Content_Length="900")],
    ids=["headers", "body"],
)
def test_dripping_answer_ends_at_the_timeout(start_callee, connect, head):
    callee = start_callee(drip(head, every_seconds=0.4))
    client = connect(callee.url, read_timeout=0.5)
    began = time.monotonic()

    assert outcome(client) is DeadlineExceeded
    assert time.monotonic() - began < 0.75
    assert client.caller.breaker.window == ("failed",)


def test_huge_answer_is_cut_off_before_it_fills_the_memory(start_callee, connect):
    def flood(connection):
        connection.sendall(http_answer(b"", Content_Length=str(100 * 2**20)))
        for _ in range(100):
            connection.sendall(bytes(2**20))

    client = connect(start_callee(flood).url)
    tracemalloc.start()

    seen = outcome(client)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seen is BadUpstream
    assert peak < 10 * 2**20


# --- Retries ---


def test_read_is_repeated_once_over_a_new_connection(start_callee, connect):
    answers = iter([b"", GOOD])

    def close_then_answer(connection):
        say(next(answers), close=True)(connection)

    callee = start_callee(close_then_answer)

    assert outcome(connect(callee.url)) == 200
    assert len(callee.requests) == 2


def test_write_without_a_key_is_not_repeated(connect):
    transport = ScriptedTransport(REFUSED, (201, {}, {}))

    with pytest.raises(Unavailable):
        connect(transport=transport).post("/things")

    assert len(transport.requests) == 1


def test_write_that_may_have_been_sent_is_not_repeated(connect):
    transport = ScriptedTransport(CLOSED, (201, {}, {}))

    with pytest.raises(Unavailable):
        connect(transport=transport).post("/things", idempotency_key="k1")

    assert len(transport.requests) == 1


def test_repeated_write_carries_the_same_key(connect):
    transport = ScriptedTransport(REFUSED, (201, {}, {}))

    answer = connect(transport=transport).post("/things", idempotency_key="k1")

    assert answer.status == 201
    assert [sent["Idempotency-Key"] for sent in transport.requests] == ["k1", "k1"]


def test_retry_that_would_outlast_the_deadline_is_left_out(connect, clock, monkeypatch):
    transport = ScriptedTransport(REFUSED)
    monkeypatch.setattr(retry, "BACKOFF_SECONDS", 10**9)

    outcome(connect(transport=transport, clock=clock))

    assert len(transport.requests) == 1


def test_total_failure_adds_at_most_a_fifth_of_the_calls(connect):
    transport = ScriptedTransport(REFUSED)

    outcomes(connect(transport=transport, policy=NEVER), 200)

    assert 200 < len(transport.requests) <= 240


# --- Concurrency ---


def test_calls_do_not_wait_for_one_another(start_callee, connect):
    together = threading.Barrier(10, timeout=5)

    def answer_all_at_once(connection):
        together.wait()
        connection.sendall(GOOD)

    callee = start_callee(answer_all_at_once)

    assert outcomes_at_once(connect(callee.url), 10) == [200] * 10


def test_full_bulkhead_refuses_at_once_while_ten_calls_hang(start_callee, connect):
    callee = start_callee(stay_silent)
    client = connect(callee.url, max_concurrent=10, read_timeout=0.5, policy=NEVER)
    all_called = threading.Barrier(50, timeout=5)

    def call(_: int) -> type[ServiceError] | int:
        all_called.wait()
        return outcome(client)

    with ThreadPoolExecutor(50) as pool:
        seen = list(pool.map(call, range(50)))

    assert (seen.count(DeadlineExceeded), seen.count(BulkheadFull)) == (10, 40)
    assert len(callee.requests) == 10


def test_three_of_fifty_threads_try_a_neighbour_that_may_be_back(connect, clock):
    let_go = threading.Event()

    class HeldTransport(ScriptedTransport):
        def send(self, *args, **kwargs):
            let_go.wait(5)
            return super().send(*args, **kwargs)

    transport = HeldTransport((200, {}, {}))
    client = connect(transport=transport, clock=clock, max_concurrent=50)
    for _ in range(5):
        client.caller.breaker.settle(client.caller.breaker.acquire(), Outcome.FAILED)
    clock.advance(6)

    with ThreadPoolExecutor(50) as pool:
        calls = [pool.submit(outcome, client) for _ in range(50)]
        while sum(call.done() for call in calls) < 47:
            time.sleep(0.001)
        let_go.set()
    seen = [call.result() for call in calls]

    assert (seen.count(CircuitOpen), seen.count(200), len(transport.requests)) == (47, 3, 3)
    assert client.caller.breaker.state is BreakerState.CLOSED


def test_each_neighbour_has_its_own_breaker(connect):
    dead = connect(transport=ScriptedTransport(REFUSED))
    alive = connect(transport=ScriptedTransport((200, {}, {})))

    outcomes(dead, 5)

    assert dead.caller.breaker.state is BreakerState.OPEN
    assert outcomes(alive, 5) == [200] * 5


# --- Tokens ---


class FakeTokens:
    """Give numbered tokens; a rejected one is replaced when ``renewable``."""

    def __init__(self, *, renewable: bool) -> None:
        self._renewable = renewable
        self._number = 1

    def get(self) -> str:
        return f"token-{self._number}"

    def reject(self, token: str) -> bool:
        self._number += self._renewable
        return self._renewable


def call_with_tokens(connect, *statuses: int, renewable: bool) -> tuple[Answer, list[str]]:
    transport = ScriptedTransport(*[(status, {}, {}) for status in statuses])
    client = connect(transport=transport, tokens=FakeTokens(renewable=renewable))
    answer = client.post("/things")
    return answer, [sent["Authorization"] for sent in transport.requests]


def test_refused_token_is_replaced_once(connect):
    answer, sent = call_with_tokens(connect, 401, 200, renewable=True)

    assert answer.status == 200
    assert sent == ["Bearer token-1", "Bearer token-2"]


@pytest.mark.parametrize(("renewable", "calls"), [(True, 2), (False, 1)])
def test_refusal_stands_when_no_token_helps(connect, renewable, calls):
    answer, sent = call_with_tokens(connect, 401, renewable=renewable)

    assert answer.status == 401
    assert len(sent) == calls
