"""Let connections misbehave, as somebody who connects meets it."""

import io
import socket
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tools import fault_proxy
from tools.fault_proxy import (
    Corrupt,
    Delay,
    Drip,
    FaultProxy,
    Hang,
    Healthy,
    Refuse,
    Reset,
    Truncate,
    parse_fault,
)

ANSWER = b"abcdefghij"


@pytest.fixture(scope="module")
def echo():
    """Run a server that answers each line with the same ten bytes, and yield its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    def talk(connection):
        with suppress(ConnectionResetError), connection, connection.makefile("rb") as lines:
            for _ in lines:
                connection.sendall(ANSWER)

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@pytest.fixture
def proxy(echo):
    with FaultProxy(("127.0.0.1", echo)) as proxy:
        yield proxy


@pytest.fixture
def connect(proxy):
    opened = []

    def connect():
        port = int(proxy.url.rpartition(":")[2])
        opened.append(socket.create_connection(("127.0.0.1", port), timeout=5))
        return opened[-1]

    yield connect
    for each in opened:
        each.close()


def ask(connection):
    """Return an answer, or what there is of it."""
    connection.sendall(b"?\n")
    answer = b""
    while len(answer) < len(ANSWER) and (piece := connection.recv(len(ANSWER) - len(answer))):
        answer += piece
    return answer


def test_healthy_network_passes_everything_on(connect, proxy):
    connection = connect()

    assert [ask(connection) for _ in range(3)] == [ANSWER] * 3
    assert proxy.connections == 1


def test_nobody_is_let_in_and_open_connections_are_reset(connect, proxy):
    connection = connect()
    ask(connection)
    proxy.fault = Refuse()

    with pytest.raises(ConnectionResetError):
        connection.recv(1)
    with pytest.raises(ConnectionRefusedError):
        connect()

    proxy.fault = Healthy()
    assert ask(connect()) == ANSWER


def test_hanging_connection_answers_when_the_fault_is_over(connect, proxy):
    proxy.fault = Hang()
    connection = connect()
    connection.settimeout(0.1)
    with pytest.raises(TimeoutError):
        ask(connection)

    proxy.fault = Healthy()
    connection.settimeout(5)

    assert connection.recv(len(ANSWER)) == ANSWER


def test_answers_are_held_back(connect, proxy):
    connection = connect()
    proxy.fault = Delay(0.2)
    began = time.monotonic()

    assert ask(connection) == ANSWER
    assert time.monotonic() - began >= 0.2


def test_connection_is_reset_in_the_middle_of_an_answer(connect, proxy):
    proxy.fault = Reset(4)

    with pytest.raises(ConnectionResetError):
        ask(connect())


def test_answer_is_cut_short(connect, proxy):
    proxy.fault = Truncate(4)

    assert ask(connect()) == ANSWER[:4]


def test_answer_comes_byte_by_byte(connect, proxy):
    proxy.fault = Drip(100)
    connection = connect()
    connection.sendall(b"?\n")

    assert [connection.recv(100) for _ in ANSWER] == [bytes([byte]) for byte in ANSWER]


def test_bytes_are_spoilt(connect, proxy):
    proxy.fault = Corrupt(5)
    spoilt = bytes([ANSWER[4] ^ 0xFF]), bytes([ANSWER[9] ^ 0xFF])

    assert ask(connect()) == ANSWER[:4] + spoilt[0] + ANSWER[5:9] + spoilt[1]


def test_web_pages_pass_whole():
    page = b"x" * 300_000

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        with FaultProxy(server.server_address) as proxy:
            port = int(proxy.url.rpartition(":")[2])
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                answer = connection.makefile("rb").read()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

    assert answer.endswith(page)


@pytest.mark.parametrize(
    ("text", "fault"),
    [("hang", Hang()), (" Delay 0.5 ", Delay(0.5)), ("reset 100", Reset(100)), ("drip 1", Drip(1))],
)
def test_fault_is_read_from_text(text, fault):
    assert parse_fault(text) == fault


@pytest.mark.parametrize("text", ["", "explode", "delay", "delay soon", "hang 1"])
def test_unknown_fault_is_answered_with_the_known_ones(text):
    with pytest.raises(ValueError, match=r"healthy, .*truncate"):
        parse_fault(text)


def test_command_obeys_line_by_line(echo, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("hang\nexplode\n"))

    assert fault_proxy.main([str(echo), "delay", "1"]) == 0

    first, *others = capsys.readouterr().out.splitlines()
    assert first.endswith(f"goes to {echo}: Delay(seconds=1)")
    assert others[0] == "Hang()"
    assert others[1].startswith("'explode' is no fault")
