"""Drop events that come again."""

import threading

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import DeclarativeBase

from chassis.testing import FakeClock
from messaging import inbox
from messaging.inbox import InboxColumns
from tests.databases import opened


class Base(DeclarativeBase):
    pass


class Seen(InboxColumns, Base):
    __tablename__ = "seen"


@pytest.fixture
def database(databases, tmp_path):
    with opened(databases, "inbox", tmp_path, Base.metadata) as database:
        yield database


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def take(database, clock):
    def take(event_id="event-1"):
        with database.write() as session:
            return inbox.first_time(session, Seen, event_id, clock.now())

    return take


def test_event_is_new_once(take):
    assert [take() for _ in range(3)] == [True, False, False]
    assert take("event-2")


def test_note_is_gone_when_the_effect_fails(take, database, clock):
    with database.write() as session:
        assert inbox.first_time(session, Seen, "event-1", clock.now())
        session.rollback()

    assert take()


def test_rest_of_the_transaction_survives_an_event_seen_before(take, database, clock):
    take()

    with database.write() as session:
        assert not inbox.first_time(session, Seen, "event-1", clock.now())
        assert inbox.first_time(session, Seen, "event-2", clock.now())

    assert not take("event-2")


def test_event_is_new_to_one_of_many_at_once(take):
    new = []
    threads = [threading.Thread(target=lambda: new.append(take())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(new) == [False] * 7 + [True]


def test_old_notes_are_forgotten(take, database, clock):
    take()
    clock.advance(100)
    take("event-2")

    with database.write() as session:
        inbox.forget_older(session, Seen, clock.now(), 50)
        assert session.scalar(select(func.count()).select_from(Seen)) == 1
