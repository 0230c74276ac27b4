"""Test asking a service whether it can serve, against a real socket."""

import socket

import pytest

from launcher.loop import Loop
from launcher.plan import Service
from launcher.readiness import ReadinessProbe

READY = b"HTTP/1.1 200 OK\r\n\r\n"
STARTING = b"HTTP/1.1 503 Service Unavailable\r\n\r\n"
REFUSED = b"HTTP/1.1 400 Bad Request\r\n\r\n"


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def loop():
    loop = Loop()
    # A test that waits in vain ends.
    loop.call_later(5, loop.stop)
    return loop


@pytest.fixture
def ready():
    return []


@pytest.fixture
def probe(listener, loop, ready):
    port = listener.getsockname()[1]
    service = Service(name="auth", package="services.auth", host="0.0.0.0", port=port)
    probe = ReadinessProbe(service, loop, lambda: (ready.append("auth"), loop.stop()))
    probe.ask()
    yield probe
    probe.cancel()


def answer(listener, data):
    connection, _ = listener.accept()
    with connection:
        question = connection.recv(4096)
        connection.sendall(data)
    return question


@pytest.mark.parametrize("data", [READY, REFUSED])
def test_a_service_that_answers_is_ready(listener, loop, probe, ready, data):
    question = answer(listener, data)
    loop.run()

    assert question.startswith(b"GET /readyz HTTP/1.1\r\n")
    assert ready == ["auth"]


@pytest.mark.parametrize("data", [STARTING, b"", b"nonsense\r\n"])
def test_anything_else_is_asked_again(listener, loop, probe, ready, data):
    questions = [answer(listener, data)]
    loop.call_later(0.15, lambda: questions.append(answer(listener, READY)))
    loop.run()

    assert ready == ["auth"]
    assert len(questions) == 2


def test_a_cancelled_probe_asks_no_more(listener, loop, probe):
    answer(listener, STARTING)
    loop.call_later(0.05, probe.cancel)
    loop.call_later(0.2, loop.stop)
    loop.run()

    listener.settimeout(0)
    with pytest.raises(BlockingIOError):
        listener.accept()
