"""Test what the launcher shows, and that showing never waits."""

import fcntl
import os
import pty
import struct
import termios

import pytest

from launcher.console import BUFFER_BYTES, CLEAR_LINE, Console
from launcher.logs import LogStream
from launcher.loop import Loop


@pytest.fixture
def loop():
    return Loop()


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    yield reader, writer
    for end in (reader, writer):
        os.close(end)


@pytest.fixture
def terminal():
    main, side = pty.openpty()
    yield main, side
    for end in (main, side):
        os.close(end)


def read_from_terminal(main: int, length: int) -> str:
    """Return what was shown, which a terminal may hand over in pieces."""
    shown = b""
    while len(shown) < length:
        shown += os.read(main, 4096)
    return shown.decode()


def test_lines_are_aligned_and_plain_where_there_is_no_terminal(pipe, loop):
    reader, writer = pipe
    console = Console(writer, loop, {})
    console.align(["auth", "greetings"])

    console.line("up", "auth")
    console.line("up", "greetings")
    console.status("waiting")

    assert os.read(reader, 4096) == b"auth      | up\ngreetings | up\n"


def test_a_terminal_gets_colours_and_a_status_line_below_the_rest(terminal, loop):
    main, side = terminal
    console = Console(side, loop, {})
    console.align(["auth"])

    console.status("waiting")
    console.line("up", "auth")

    expected = f"{CLEAR_LINE}waiting{CLEAR_LINE}\x1b[36mauth     | \x1b[0mup\r\nwaiting"
    assert read_from_terminal(main, len(expected)) == expected


def test_no_color_is_honoured_on_a_terminal(terminal, loop):
    main, side = terminal
    console = Console(side, loop, {"NO_COLOR": "1"})
    console.align(["auth"])

    console.line("up", "auth")

    assert read_from_terminal(main, 15) == "auth     | up\r\n"


def test_what_a_full_pipe_does_not_take_is_written_later_in_order(pipe, loop):
    reader, writer = pipe
    console = Console(writer, loop, {})
    text = "".join(f"{number:099}\n" for number in range(5000))

    console.text(text)
    received = b""
    while len(received) < len(text) + 1:
        received += os.read(reader, 1 << 16)
        loop.turn(0)

    assert received.decode() == text + "\n"


def test_what_exceeds_the_buffer_is_dropped_and_counted(pipe, loop):
    reader, writer = pipe
    console = Console(writer, loop, {})
    for _ in range(3):
        console.text("x" * (BUFFER_BYTES - 1))

    received = b""
    while not received.endswith(b"x\n"):
        received += os.read(reader, 1 << 16)
        console.flush()
    console.text("again")

    assert len(received) == BUFFER_BYTES
    assert os.read(reader, 4096) == b"(2 lines were dropped)\nagain\n"


def test_a_reader_that_went_away_is_no_reason_to_stop(loop):
    reader, writer = os.pipe()
    os.close(reader)

    Console(writer, loop, {}).text("nobody hears this")

    os.close(writer)


def test_a_log_stream_shows_whole_lines_and_the_rest_at_the_end(pipe, loop):
    reader, writer = pipe
    console = Console(writer, loop, {})
    output, service = os.pipe()
    stream = LogStream("auth", output, loop, console)

    os.write(service, b"one\ntw")
    loop.turn(0)
    first = os.read(reader, 4096)
    os.write(service, b"o\nthree")
    os.close(service)
    stream.drain()

    assert first == b"auth | one\n"
    assert os.read(reader, 4096) == b"auth | two\nauth | three\n"


def test_draining_does_not_wait_for_a_grandchild_that_holds_the_other_end(pipe, loop):
    reader, writer = pipe
    output, held = os.pipe()
    stream = LogStream("auth", output, loop, Console(writer, loop, {}))
    os.write(held, b"last words\n")

    stream.drain()

    assert os.read(reader, 4096) == b"auth | last words\n"
    os.close(held)


def test_a_status_line_that_would_wrap_is_cut(terminal, loop):
    main, side = terminal
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 20, 0, 0))

    Console(side, loop, {}).status("waiting for everybody")

    expected = f"{CLEAR_LINE}waiting for everybo"
    assert read_from_terminal(main, len(expected)) == expected
