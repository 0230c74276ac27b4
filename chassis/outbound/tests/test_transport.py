import socket
import time

import pytest

from chassis.outbound.transport import _BoundedReader


@pytest.fixture
def sockets():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_reading_ends_with_the_time_though_more_has_come(sockets):
    ours, theirs = sockets
    ours.settimeout(0.01)
    theirs.send(b"xx")
    reader = _BoundedReader(ours)
    assert reader.read(1) == b"x"

    while time.monotonic() < reader._ends_at:
        pass

    with reader, pytest.raises(TimeoutError):
        reader.read(1)


def test_socket_has_its_timeout_back_when_the_answer_is_read(sockets):
    ours, theirs = sockets
    ours.settimeout(5)
    theirs.send(b"x")

    with _BoundedReader(ours) as reader:
        reader.read(1)
        during = ours.gettimeout()

    assert during < ours.gettimeout() == 5
