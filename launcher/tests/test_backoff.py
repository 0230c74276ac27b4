"""Test the delays between the lives of a service."""

import pytest

from chassis.testing import FakeClock
from launcher.backoff import RestartSchedule


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def schedule(clock):
    return RestartSchedule(clock)


def test_delays_double_from_at_once_to_two_seconds(schedule):
    delays = [schedule.record_death() for _ in range(7)]

    assert delays == [0.0, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]


def test_deaths_are_forgotten_after_ten_seconds_of_health(schedule, clock):
    schedule.record_death()
    schedule.record_health()
    clock.advance(10)

    assert schedule.record_death() == 0.0
    assert schedule.record_death() == 0.2


def test_deaths_are_remembered_after_less_than_ten_seconds_of_health(schedule, clock):
    schedule.record_death()
    schedule.record_health()
    clock.advance(9.9)

    assert schedule.record_death() == 0.2


def test_time_without_health_forgets_nothing(schedule, clock):
    schedule.record_death()
    clock.advance(60)

    assert schedule.record_death() == 0.2


def test_a_service_that_dies_for_days_still_gets_a_delay(schedule):
    delays = [schedule.record_death() for _ in range(5000)]

    assert delays[-1] == 2.0
