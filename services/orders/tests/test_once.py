"""Hold doing something once against its promises."""

import threading

import pytest

from chassis.errors import Unavailable
from chassis.testing import FakeClock
from services.orders.models import Base, IdempotencyRecord
from services.orders.once import run_once
from storage.idempotency import (
    IdempotencyKeyReused,
    InProgress,
    Request,
    StoredAnswer,
    forget_older,
)
from tests.databases import opened

ANSWER = StoredAnswer(201, {"Location": "/things/1"}, b'{"id": 1}')
REQUEST = Request("alice", "key", "digest")


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def database(databases, tmp_path):
    with opened(databases, "orders", tmp_path, Base.metadata) as database:
        yield database


@pytest.fixture
def once(database, clock):
    def once(work=lambda: ANSWER, request=REQUEST, refuse=lambda: None):
        return run_once(database, request, work, clock, refuse)

    return once


def test_second_request_gets_the_stored_answer(once):
    calls = []

    answers = [once(lambda: calls.append(1) or ANSWER) for _ in range(3)]

    assert answers == [(ANSWER, False), (ANSWER, True), (ANSWER, True)]
    assert len(calls) == 1


def test_same_key_of_another_owner_is_another_request(once):
    once()

    assert once(request=Request("bob", "key", "other digest")) == (ANSWER, False)


def test_same_key_for_something_else_is_refused(once):
    once()

    with pytest.raises(IdempotencyKeyReused):
        once(request=Request("alice", "key", "other digest"))


def test_running_request_is_not_run_again(once):
    def work():
        with pytest.raises(InProgress):
            once()
        return ANSWER

    assert once(work) == (ANSWER, False)


def test_request_whose_process_died_may_be_run_again(once, clock):
    def die():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        once(die)
    clock.advance(16)

    assert once() == (ANSWER, False)


def test_error_is_not_remembered(once):
    def fail():
        raise Unavailable

    with pytest.raises(Unavailable):
        once(fail)

    assert once() == (ANSWER, False)


def test_refusal_is_remembered_and_nothing_done(once):
    refusal = StoredAnswer(409, {}, b"{}")

    assert once(pytest.fail, refuse=lambda: refusal) == (refusal, False)
    assert once(pytest.fail) == (refusal, True)


def test_request_that_was_let_through_is_not_refused_later(once):
    def fail():
        raise Unavailable

    with pytest.raises(Unavailable):
        once(fail)

    assert once(refuse=pytest.fail) == (ANSWER, False)


def test_request_is_looked_at_again_when_that_failed(once):
    def fail():
        raise Unavailable

    with pytest.raises(Unavailable):
        once(pytest.fail, refuse=fail)

    refusal = StoredAnswer(409, {}, b"{}")
    assert once(pytest.fail, refuse=lambda: refusal) == (refusal, False)


def test_one_of_many_at_once_does_the_work(once):
    calls, outcomes = [], []
    together = threading.Barrier(12)

    def send():
        together.wait()
        try:
            outcomes.append(once(lambda: calls.append(1) or ANSWER)[0])
        except InProgress:
            outcomes.append(None)

    threads = [threading.Thread(target=send) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(calls) == 1
    assert len(outcomes) == 12


def test_old_records_are_forgotten(once, database, clock):
    once()
    clock.advance(101)
    with database.write() as session:
        forget_older(session, IdempotencyRecord, clock.now(), 100)

    assert once() == (ANSWER, False)
