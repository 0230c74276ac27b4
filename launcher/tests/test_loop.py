"""Test waiting for time, files and signals."""

import os
import signal

import pytest

from chassis.testing import FakeClock
from launcher.loop import READ, Loop, Signals


@pytest.fixture
def calls():
    return []


def test_timers_fire_in_order_of_time_and_only_when_due(calls):
    clock = FakeClock()
    loop = Loop(clock)
    loop.call_later(2, lambda: calls.append("late"))
    loop.call_later(1, lambda: calls.append("early"))
    loop.call_later(1, lambda: calls.append("second"))

    clock.advance(1)
    loop.turn(0)

    assert calls == ["early", "second"]


def test_run_ends_after_a_callback_that_stops_it(calls):
    loop = Loop()
    loop.call_later(0, loop.stop)
    loop.call_later(60, lambda: calls.append("never"))

    loop.run()

    assert calls == []


def test_a_file_that_an_earlier_callback_gave_up_is_not_called(calls):
    loop = Loop()
    pairs = [os.pipe(), os.pipe()]

    def forget_all():
        calls.append("called")
        for reader, _ in pairs:
            loop.unwatch(reader)

    for reader, writer in pairs:
        loop.watch(reader, READ, forget_all)
        os.write(writer, b"x")
    loop.turn(0)

    assert calls == ["called"]
    for end in sum(pairs, ()):
        os.close(end)


def test_a_signal_arrives_as_an_event_and_not_as_an_interruption(calls):
    signals = Signals([signal.SIGUSR2])
    loop = Loop()
    loop.watch(signals.fileno(), READ, lambda: calls.extend(signals.received()))
    signals.install()
    try:
        signal.raise_signal(signal.SIGUSR2)
        loop.turn(1)
    finally:
        signals.restore()
        signals.close()

    assert calls == [signal.SIGUSR2]


def test_a_hang_up_that_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signals = Signals([signal.SIGHUP])
    try:
        signals.install()

        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signals.restore()
        signals.close()
        signal.signal(signal.SIGHUP, before)
