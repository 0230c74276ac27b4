"""Hold transactions against their promises, on real databases of both kinds."""

import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta, timezone

import pytest
from gunicorn.arbiter import Arbiter
from sqlalchemy import String, select, text, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis.errors import Unavailable
from storage.database import (
    Collision,
    Database,
    Timestamp,
    database_address,
    default_url,
    repeat_on_collision,
    serialise,
)
from tests.databases import opened


class Base(DeclarativeBase):
    pass


class Counter(Base):
    __tablename__ = "counters"

    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    value: Mapped[int]
    at: Mapped[datetime | None] = mapped_column(Timestamp)


@pytest.fixture
def url(databases, tmp_path):
    return databases.create("counters", tmp_path / "deep" / "er")


@pytest.fixture
def database(url):
    database = Database(url)
    database.create_all(Base.metadata)
    yield database
    database.close()


@pytest.fixture
def on_postgresql(postgresql, tmp_path):
    """Return a database of the kind in which several transactions write at once."""
    with opened(postgresql, "counters", tmp_path, Base.metadata) as database:
        with database.write() as session:
            session.add_all([Counter(name="a", value=0), Counter(name="b", value=0)])
        yield database


def add_one(session, name):
    session.execute(update(Counter).where(Counter.name == name).values(value=Counter.value + 1))


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
                counter = session.get(Counter, "a", with_for_update=True)
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


def test_tables_can_be_made_by_many_at_once(url):
    processes = [Database(url) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda database: database.create_all(Base.metadata), processes))

    for database in processes:
        database.check()
        database.close()


def test_reader_sees_one_state_while_others_write(database):
    with database.write() as session:
        session.add(Counter(name="a", value=1))

    with database.read() as session:
        before = session.scalar(select(Counter.value))
        with database.write() as other:
            add_one(other, "a")
        after = session.scalar(select(Counter.value))

    assert (before, after) == (1, 1)


def test_what_is_serialised_loses_no_update_without_a_row_to_lock(database):
    def count_up(_):
        with database.write() as session:
            serialise(session, "the counter")
            present = session.scalar(select(Counter.value)) or 0
            session.merge(Counter(name="a", value=present + 1))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(count_up, range(60)))

    with database.read() as session:
        assert session.scalar(select(Counter.value)) == 60


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_address_may_be_written_as_platforms_do(postgresql, tmp_path, scheme):
    with postgresql.lend("counters", tmp_path) as url:
        database = Database(url.replace("postgresql:", f"{scheme}:"))
        with database.read() as session:
            zone = session.scalar(text("SHOW timezone"))
            patience = session.scalar(text("SHOW lock_timeout"))
        database.close()

    assert (zone, patience) == ("UTC", "5s")


def test_settings_of_the_address_come_on_top(postgresql, tmp_path):
    with postgresql.lend("counters", tmp_path) as url:
        database = Database(f"{url}&options=-c%20lock_timeout%3D1s%20-c%20search_path%3Delsewhere")
        with database.read() as session:
            path = session.scalar(text("SHOW search_path"))
            patience = session.scalar(text("SHOW lock_timeout"))
        database.close()

    assert (path, patience) == ("elsewhere", "1s")


def test_one_of_two_that_wait_for_each_other_collides_and_succeeds_when_repeated(on_postgresql):
    both_hold_one, tries = threading.Barrier(2), []

    def add_in_order(first, second):
        tries.append(first)
        is_first_try = len(tries) <= 2
        with on_postgresql.write() as session:
            add_one(session, first)
            if is_first_try:
                both_hold_one.wait(5)
            add_one(session, second)

    with ThreadPoolExecutor(2) as pool:
        orders = [("a", "b"), ("b", "a")]
        list(pool.map(lambda names: repeat_on_collision(lambda: add_in_order(*names)), orders))

    with on_postgresql.read() as session:
        assert session.scalars(select(Counter.value)).all() == [2, 2]
    assert len(tries) == 3


def test_collision_that_does_not_end_reaches_the_caller():
    tries = []

    def attempt():
        tries.append(1)
        raise Collision

    with pytest.raises(Collision):
        repeat_on_collision(attempt)
    assert len(tries) == 3


def test_row_that_somebody_else_made_is_found_by_the_repetition():
    outcomes = iter([IntegrityError("INSERT", {}, ValueError()), "found"])

    def attempt():
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    assert repeat_on_collision(attempt) == "found"


def test_lock_that_is_held_too_long_makes_the_next_one_unavailable(postgresql, tmp_path):
    with postgresql.lend("counters", tmp_path) as url:
        patient, hasty = Database(url), Database(f"{url}&options=-c%20lock_timeout%3D50ms")
        patient.create_all(Base.metadata)
        with patient.write() as session:
            session.add(Counter(name="a", value=0))

        with patient.write() as session:
            add_one(session, "a")
            with pytest.raises(Unavailable), hasty.write() as late:
                add_one(late, "a")
        patient.close()
        hasty.close()


def test_connections_that_the_server_ended_are_replaced_without_a_failure(
    on_postgresql, postgresql
):
    on_postgresql.check()

    postgresql.end_connections(on_postgresql.engine.url.render_as_string())

    on_postgresql.check()


def test_connection_that_is_lost_half_way_is_unavailable(on_postgresql, postgresql):
    def lose_it():
        with on_postgresql.write() as session:
            add_one(session, "a")
            postgresql.end_connections(on_postgresql.engine.url.render_as_string())
            add_one(session, "b")

    with pytest.raises(Unavailable):
        lose_it()


def test_transaction_that_hangs_loses_its_locks_and_is_unavailable(postgresql, tmp_path):
    option = "-c%20idle_in_transaction_session_timeout%3D50ms"

    def hang(database):
        with database.write() as session:
            add_one(session, "a")
            with watcher.write() as other:
                add_one(other, "a")
            add_one(session, "a")

    with postgresql.lend("counters", tmp_path) as url:
        hanging, watcher = Database(f"{url}&options={option}"), Database(url)
        hanging.create_all(Base.metadata)
        with watcher.write() as session:
            session.add(Counter(name="a", value=0))
        with pytest.raises(Unavailable):
            hang(hanging)
        hanging.close()
        watcher.close()


def test_no_free_connection_is_unavailable(on_postgresql, monkeypatch):
    monkeypatch.setattr(on_postgresql.engine.pool, "_timeout", 0.05)
    with ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(on_postgresql.read()).execute(text("SELECT 1"))

        with pytest.raises(Unavailable):
            on_postgresql.check()


def test_server_that_is_not_there_is_unavailable(tmp_path):
    database = Database(f"postgresql://nobody@/nothing?host={tmp_path}")

    with pytest.raises(Unavailable):
        database.check()


@pytest.mark.parametrize(
    "address",
    ["postgresql://ann:hu5h@127.0.0.1:1/shop", "postgresql://127.0.0.1:1/shop?password=hu5h"],
)
def test_driver_s_words_are_logged_once_and_never_the_password(address, caplog):
    database = Database(address)

    for _ in range(3):
        with pytest.raises(Unavailable) as refused:
            database.check()

    [record] = caplog.records
    assert "refused" in record.getMessage()
    assert "127.0.0.1:1/shop" in record.getMessage()
    assert "hu5h" not in caplog.text + str(refused.value)
    database.close()


def test_missing_database_is_named_in_the_log_until_it_is_there(postgresql, tmp_path, caplog):
    away = postgresql.create("away", tmp_path)
    postgresql.destroy(away)
    database = Database(away)
    with pytest.raises(Unavailable):
        database.check()

    postgresql.restore(away)
    caplog.set_level("INFO")
    database.check()
    database.check()

    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert "does not exist" in said[0]
    assert "serves again" in said[1]
    database.close()


def test_password_is_masked_in_whatever_the_driver_says(caplog):
    database = Database("postgresql://ann:hu5h@db.example/shop")

    database._report(OperationalError("SELECT", ["row"], Exception('no\n"hu5h" here')))

    assert caplog.messages == [
        'The database at postgresql://ann:***@db.example/shop can\'t serve: no "***" here'
    ]


@pytest.mark.parametrize(
    "address", ["mysql://ann:hu5h@db/shop", "hu5h", "postgresql://ann:hu5h/x@db:hu5h/shop"]
)
def test_address_of_another_kind_is_refused_without_repeating_it(address):
    with pytest.raises(ValueError, match=r"^expected an address") as refused:
        database_address(address)

    assert "hu5h" not in str(refused.value)


def test_driver_of_postgresql_stays_unloaded_for_sqlite(tmp_path):
    code = (
        "import sys; from storage import database\n"
        f"database.Database('sqlite:///{tmp_path}/test.sqlite3').check()\n"
        "late = {'psycopg', 'alembic', 'sqlalchemy.dialects.postgresql'}\n"
        "sys.exit(bool(late & set(sys.modules)))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_required_database_that_is_there_is_fine(databases, tmp_path):
    with databases.lend("required_alone", tmp_path) as url:
        database = Database(url)
        database.require("THINGS_DATABASE_URL")
        database.close()


def test_required_database_that_is_away_ends_the_process_with_one_line(caplog):
    database = Database("postgresql://shop:hu5h@127.0.0.1:1/things?sslpassword=s3cret")

    with pytest.raises(SystemExit) as end:
        database.require("THINGS_DATABASE_URL")

    # At this status gunicorn does not start the worker again.
    assert end.value.code == Arbiter.WORKER_BOOT_ERROR
    [line] = [each.getMessage() for each in caplog.records if each.levelname == "CRITICAL"]
    assert line.startswith("THINGS_DATABASE_URL: the database at postgresql://shop:***@127.0.0.1:1")
    assert {"hu5h", "s3cret"}.isdisjoint(re.findall(r"\w+", caplog.text))
