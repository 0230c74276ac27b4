"""Hold transactions against their promises, on a real SQLite file."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import String, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis.errors import Unavailable
from chassis.storage.database import Database, Timestamp, default_url


class Base(DeclarativeBase):
    pass


class Counter(Base):
    __tablename__ = "counters"

    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    value: Mapped[int]
    at: Mapped[datetime | None] = mapped_column(Timestamp)


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/deep/er/test.sqlite3")
    database.create_all(Base.metadata)
    yield database
    database.close()


def test_write_commits_at_its_end(database):
    with database.write() as session:
        session.add(Counter(name="a", value=1))

    with database.read() as session:
        assert session.scalars(select(Counter.value)).all() == [1]


def test_write_is_undone_when_an_error_passes(database):
    def fail():
        with database.write() as session:
            session.add(Counter(name="a", value=1))
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()

    with database.read() as session:
        assert session.scalars(select(Counter)).all() == []


def test_read_then_write_loses_no_update_to_other_threads(database):
    with database.write() as session:
        session.add(Counter(name="a", value=0))

    def increment():
        for _ in range(25):
            with database.write() as session:
                counter = session.get(Counter, "a")
                counter.value += 1

    threads = [threading.Thread(target=increment) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with database.read() as session:
        assert session.scalar(select(Counter.value)) == 150


def test_moments_come_back_aware_and_in_utc(database):
    moment = datetime(2030, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    with database.write() as session:
        session.add(Counter(name="a", value=0, at=moment))

    with database.read() as session:
        stored = session.scalar(select(Counter.at))

    assert (stored, stored.tzinfo) == (moment, UTC)


@pytest.mark.parametrize(("durable", "level"), [(True, 2), (False, 1)])
def test_durable_database_waits_for_the_disk(tmp_path, durable, level):
    database = Database(f"sqlite:///{tmp_path}/test.sqlite3", durable=durable)

    with database.read() as session:
        settings = (
            session.scalar(text("PRAGMA synchronous")),
            session.scalar(text("PRAGMA journal_mode")),
        )
    database.close()

    assert settings == (level, "wal")


def test_database_that_can_not_be_opened_is_unavailable(tmp_path):
    (tmp_path / "test.sqlite3").mkdir()
    database = Database(f"sqlite:///{tmp_path}/test.sqlite3")

    with pytest.raises(Unavailable):
        database.check()


def test_default_is_a_file_in_the_data_folder():
    assert default_url("things")({"SHOP_DATA_DIR": "/data"}) == "sqlite:////data/things.sqlite3"


def test_new_file_can_be_opened_by_many_at_once(tmp_path):
    def open_at_once(barrier, url):
        database = Database(url)
        barrier.wait()
        database.check()
        database.close()

    with ThreadPoolExecutor(8) as pool:
        for number in range(60):
            barrier = threading.Barrier(8)
            url = f"sqlite:///{tmp_path}/{number}.sqlite3"
            list(pool.map(open_at_once, [barrier] * 8, [url] * 8))
