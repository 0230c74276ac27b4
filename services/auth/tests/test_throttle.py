"""Hold the throttling of log-in against case 105, and against being used as a weapon."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import delete, func, select

from chassis.testing import FakeClock
from services.auth import throttle
from services.auth.errors import TooManyAttempts
from services.auth.models import Base, Delay, Guess
from services.auth.throttle import Attempt, Throttle, Times
from tests.databases import opened

HERE, THERE = "203.0.113.1", "203.0.113.2"
TIMES = Times(timedelta(seconds=60), timedelta(minutes=10), timedelta(seconds=60))


@pytest.fixture(scope="module")
def shared_database(databases, tmp_path_factory):
    with opened(databases, "auth", tmp_path_factory.mktemp("auth"), Base.metadata) as database:
        yield database


@pytest.fixture
def database(shared_database):
    with shared_database.write() as session:
        for table in (Guess, Delay):
            session.execute(delete(table))
    return shared_database


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def guess(database, clock):
    """Return a function that guesses wrong, and gives the seconds to wait where it has to."""
    counting = Throttle(database, clock, TIMES)

    def guess(username="alice", source=HERE, device=None):
        attempt = Attempt(username, source, device)
        try:
            counting.admit(attempt)
        except TooManyAttempts as refusal:
            return int(refusal.headers["Retry-After"])
        guess.last = attempt
        return 0

    guess.throttle = counting
    return guess


@pytest.fixture
def forgive(database, guess):
    def forgive(attempt):
        with database.write() as session:
            guess.throttle.forgive(session, attempt)

    return forgive


def rows(database):
    with database.read() as session:
        return [session.scalar(select(func.count()).select_from(t)) for t in (Guess, Delay)]


def test_delay_begins_after_five_failures_and_doubles_up_to_a_minute(guess):
    waits = [guess() for _ in range(20)]

    assert waits == [0] * 5 + [1, 2, 4, 8, 16, 32] + [60] * 9


def test_who_waits_may_try_again_and_waits_longer_after_the_next_failure(guess, clock):
    assert [guess() for _ in range(6)][-1] == 1

    clock.advance(1)

    assert (guess(), guess()) == (0, 4)


def test_attempt_that_was_right_clears_the_count(guess, forgive, clock):
    for _ in range(6):
        guess()
    clock.advance(1)

    guess()
    forgive(guess.last)

    assert [guess() for _ in range(4)] == [0] * 4


def test_attempt_that_was_right_never_counted(guess, forgive):
    for _ in range(25):
        assert guess() == 0
        forgive(guess.last)


def test_failures_are_forgotten_after_ten_quiet_minutes(guess, clock):
    for _ in range(20):
        guess()

    clock.advance(660)

    assert [guess() for _ in range(6)] == [0] * 5 + [1]


def test_other_people_and_other_places_do_not_wait(guess):
    for _ in range(10):
        guess()

    assert (guess("bob"), guess(source=THERE)) == (0, 0)


def test_name_counts_in_any_case(guess):
    for name in ("alice", "ALICE", "Alice", "aLICE", "alicE"):
        guess(name)

    assert guess("ALIce") == 1


def test_account_takes_ten_guesses_in_ten_minutes_wherever_they_come_from(guess, clock):
    assert [guess(source=f"192.0.2.{n}") for n in range(10)] == [0] * 10
    clock.advance(100)

    assert [guess(source=f"192.0.2.{n}") for n in range(10, 20)] == [500] * 10
    clock.advance(500)
    assert guess(source=THERE) == 0


def test_any_ten_minutes_have_ten_guesses_at_most(guess, clock):
    taken = []
    for n in range(40):
        if guess(source=f"198.51.100.{n}") == 0:
            taken.append(n * 55)
        clock.advance(55)

    assert len(taken) > 30
    for begin in taken:
        assert len([at for at in taken if begin <= at < begin + 600]) <= 10


def test_source_has_twenty_failures_a_minute(guess, clock):
    waits = [guess(f"user-{n}") for n in range(25)]
    assert waits == [0] * 20 + [60] * 5

    clock.advance(60)

    assert guess("user-99") == 0


@pytest.mark.parametrize(
    "sources",
    [
        ("2001:db8::1", "2001:db8::ffff:1"),
        ("2001:db8:0:0:1::", "2001:DB8::2"),
        ("203.0.113.9", "::ffff:203.0.113.9"),
        ("unknown", "unknown"),
    ],
)
def test_one_line_is_one_source(guess, sources):
    for n in range(20):
        guess(f"user-{n}", sources[n % 2])

    assert {guess("user-99", source) for source in sources} == {60}


def test_neighbouring_lines_are_others(guess):
    for n in range(20):
        guess(f"user-{n}", "2001:db8:0:1::1")

    assert guess("user-99", "2001:db8:0:2::1") == 0


def test_known_device_keeps_its_allowance_when_strangers_use_theirs_up(guess):
    for n in range(20):
        guess(f"user-{n}", HERE)
    for n in range(10):
        guess(source=f"192.0.2.{n}")

    assert guess(source=HERE) > 0
    assert guess(source=HERE, device=b"known") == 0


def test_known_device_has_to_wait_as_well(guess, clock):
    waits = [guess(device=b"known") for _ in range(8)]
    assert waits == [0] * 5 + [1, 2, 4]

    taken = 0
    for _ in range(8):
        clock.advance(60)
        taken += guess(device=b"known") == 0
    assert taken == 5


def test_guesses_side_by_side_do_not_slip_through(guess):
    with ThreadPoolExecutor(25) as threads:
        waits = list(threads.map(lambda n: guess(source=f"192.0.2.{n}"), range(50)))

    assert waits.count(0) == 10


def test_failures_in_a_row_side_by_side_do_not_slip_through(guess):
    with ThreadPoolExecutor(25) as threads:
        waits = list(threads.map(lambda _: guess(), range(30)))

    assert waits.count(0) == 5
    assert max(waits) == 60


def test_refusals_leave_nothing_behind(guess, database):
    for n in range(10):
        guess(source=f"192.0.2.{n}")
    before = rows(database)

    for n in range(10, 60):
        guess(source=f"192.0.2.{n}")

    assert rows(database) == before == [20, 10]


def test_what_counts_no_longer_is_dropped(guess, database, clock):
    for n in range(30):
        guess(f"user-{n}")
    guess.throttle.admit_registration(HERE)
    clock.advance(660)
    guess("olga")

    with database.write() as session:
        throttle.forget_expired(session, clock.now())

    assert rows(database) == [2, 1]


def test_neither_names_nor_sources_are_stored(guess, database):
    guess("correct horse", HERE)

    with database.read() as session:
        found = [row for table in (Guess, Delay) for row in session.scalars(select(table))]
        held = [str(vars(row)) for row in found]
    assert held
    assert not any(word in text for text in held for word in ("horse", HERE))


def test_source_may_register_twenty_times_a_minute(guess, clock):
    for _ in range(20):
        guess.throttle.admit_registration(HERE)

    with pytest.raises(TooManyAttempts) as refusal:
        guess.throttle.admit_registration(HERE)

    assert refusal.value.headers["Retry-After"] == "60"
    guess.throttle.admit_registration(THERE)
    clock.advance(60)
    guess.throttle.admit_registration(HERE)
