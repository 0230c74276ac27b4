"""Hold idempotency keys and their records against their promises."""

import pytest
from sqlalchemy.orm import DeclarativeBase

from chassis.testing import START, FakeClock
from storage.idempotency import (
    IdempotencyColumns,
    IdempotencyKeyReused,
    MalformedIdempotencyKey,
    MissingIdempotencyKey,
    Request,
    StoredAnswer,
    answer_of,
    claim,
    complete,
    find,
    fingerprint,
    forget_older,
    read_key,
)
from tests.databases import opened

REQUEST = Request("alice", "key", "digest")


class Base(DeclarativeBase):
    pass


class Record(IdempotencyColumns, Base):
    __tablename__ = "records"


@pytest.fixture
def session(databases, tmp_path):
    with (
        opened(databases, "idempotency", tmp_path, Base.metadata) as database,
        database.write() as session,
    ):
        yield session


@pytest.fixture
def record(session):
    return claim(session, Record, REQUEST, "thing-1", START)


def test_claimed_record_has_no_answer_yet(session, record):
    assert find(session, Record, REQUEST) is record
    assert answer_of(record) is None


def test_completed_record_gives_the_answer_byte_for_byte(session, record):
    answer = StoredAnswer(201, {"Location": "/things/1"}, b'{"id":  1}')

    complete(session, Record, ("alice", "key"), answer)
    session.expire_all()

    assert answer_of(find(session, Record, REQUEST)) == answer


def test_key_of_another_owner_is_new(session, record):
    assert find(session, Record, Request("bob", "key", "digest")) is None


def test_key_for_something_else_is_refused(session, record):
    with pytest.raises(IdempotencyKeyReused):
        find(session, Record, Request("alice", "key", "other digest"))


def test_old_records_are_forgotten(session, record):
    clock = FakeClock()
    clock.advance(101)
    forget_older(session, Record, clock.now(), 100)
    session.expire_all()

    assert find(session, Record, REQUEST) is None


@pytest.mark.parametrize(
    ("value", "key"), [("abc", "abc"), ('"abc"', "abc"), ("x" * 255, "x" * 255)]
)
def test_key_is_read_bare_or_quoted(value, key):
    assert read_key([value]) == key


@pytest.mark.parametrize(
    "values", [[""], ['""'], ["x" * 256], ["a", "b"], ["a,b"], ["a b"], ["a\n"], ["é"], ["\x7f"]]
)
def test_malformed_key_is_refused(values):
    with pytest.raises(MalformedIdempotencyKey):
        read_key(values)


def test_missing_key_is_asked_for():
    with pytest.raises(MissingIdempotencyKey, match="Idempotency-Key"):
        read_key([])


def test_fingerprint_depends_on_content_and_not_on_order():
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1}) != fingerprint({"a": 1})
