"""Take events to a subscriber over real sockets, and tell whose fault a failure is."""

import json

import pytest

from chassis.errors import BadUpstream, DeadlineExceeded, Unavailable
from chassis.outbound.client import ServiceClient
from chassis.outbound.tests.neighbours import http_answer, say, stay_silent
from messaging import transports
from messaging.outbox import MAX_TRIES, EventRefused
from messaging.transports import HTTPTransport

ENVELOPE = {"id": "event-1", "type": "thing.made", "version": 1, "request_id": None, "data": {}}


@pytest.fixture
def open_transport():
    clients = []

    def open_transport(url):
        client = ServiceClient("subscriber", url, policy=transports.BREAKER, read_timeout=0.3)
        clients.append(client)
        return HTTPTransport(client)

    yield open_transport
    for client in clients:
        client.close()


@pytest.mark.parametrize("status", ["200 OK", "204 No Content"])
def test_event_is_posted_with_its_id_as_key(start_callee, open_transport, status):
    callee = start_callee(say(http_answer(b"" if status.startswith("204") else b"{}", status)))

    open_transport(callee.url).deliver(ENVELOPE)

    head, _, body = callee.requests[0].partition("\n{")
    assert head.startswith("POST /internal/events ")
    assert "Idempotency-Key: event-1" in head
    assert json.loads("{" + body) == ENVELOPE


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("400 Bad Request", EventRefused),
        ("413 Content Too Large", EventRefused),
        ("415 Unsupported Media Type", EventRefused),
        ("422 Unprocessable Content", EventRefused),
        ("408 Request Timeout", BadUpstream),
        ("409 Conflict", BadUpstream),
        ("302 Found", BadUpstream),
        ("500 Internal Server Error", BadUpstream),
        ("502 Bad Gateway", BadUpstream),
        ("401 Unauthorized", Unavailable),
        ("403 Forbidden", Unavailable),
        ("404 Not Found", Unavailable),
        ("429 Too Many Requests", Unavailable),
        ("503 Service Unavailable", Unavailable),
        ("504 Gateway Timeout", DeadlineExceeded),
    ],
)
def test_answer_says_whose_fault_it_is(start_callee, open_transport, status, error):
    callee = start_callee(say(http_answer(b'{"code": "because"}', status)))

    with pytest.raises(error) as raised:
        open_transport(callee.url).deliver(ENVELOPE)

    assert type(raised.value) is error


def test_subscriber_that_refuses_connections_is_away(open_transport):
    transport = open_transport("http://127.0.0.1:1")
    for _ in range(2 * MAX_TRIES):
        with pytest.raises(Unavailable):
            transport.deliver(ENVELOPE)


def test_subscriber_that_hangs_is_late(start_callee, open_transport):
    callee = start_callee(stay_silent)

    with pytest.raises(DeadlineExceeded):
        open_transport(callee.url).deliver(ENVELOPE)


def test_subscriber_is_tried_again_soon_after_it_is_back():
    assert transports.BREAKER.max_open_seconds <= 5


@pytest.mark.parametrize(
    ("url", "broker_url", "way"),
    [("http://h", "", "hearers"), ("http://h", "memory://", "broker")],
)
def test_broker_comes_before_the_address(url, broker_url, way):
    _, breakers = transports.find_way("hearers", url, broker_url)

    assert list(breakers) == [way]
