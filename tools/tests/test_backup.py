"""Hold the backup against what it promises of one moment, and of folders."""

import sqlite3
import threading
from contextlib import ExitStack, closing

import pytest

from tools.backup import NothingToBackUp, TargetInUse, back_up, main, restore, snapshots


@pytest.fixture
def data(tmp_path):
    """Return a data folder with two databases, each with a counter."""
    folder = tmp_path / "var"
    folder.mkdir()
    for name in ("first", "second"):
        with closing(connect(folder, name)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("CREATE TABLE counter (value INTEGER)")
            connection.execute("CREATE TABLE ballast (bytes BLOB)")
            connection.execute("INSERT INTO counter VALUES (0)")
    return folder


def connect(folder, name):
    return sqlite3.connect(folder / f"{name}.sqlite3", timeout=5, isolation_level=None)


def value(folder, name):
    with closing(connect(folder, name)) as connection:
        return connection.execute("SELECT value FROM counter").fetchone()[0]


@pytest.fixture
def counting(data):
    """Count in the one database and then in the other, for as long as the test lasts."""
    stop, counted = threading.Event(), threading.Semaphore(0)

    def count():
        connections = [connect(data, name) for name in ("first", "second")]
        while not stop.is_set():
            for connection in connections:
                connection.execute("UPDATE counter SET value = value + 1")
            counted.release()
        for connection in connections:
            connection.close()

    thread = threading.Thread(target=count)
    thread.start()
    yield counted
    stop.set()
    thread.join()


def test_all_databases_are_seen_as_of_one_moment(data, counting):
    sources = sorted(data.glob("*.sqlite3"))
    ahead = set()
    for _ in range(600):
        with ExitStack() as stack:
            seen = [
                reader.execute("SELECT value FROM counter").fetchone()[0]
                for reader in snapshots(sources, stack)
            ]
        ahead.add(seen[0] - seen[1])

    assert counting.acquire(timeout=5)
    assert ahead <= {0, 1}


def test_copies_are_as_of_one_moment_however_long_they_take(data, counting, tmp_path):
    with closing(connect(data, "first")) as connection:
        # The second copy is made long after the first one, as the counter sees it.
        connection.execute("INSERT INTO ballast VALUES (zeroblob(30000000))")
    counting.acquire(timeout=5)

    back_up(data, tmp_path / "copy")

    ahead = value(tmp_path / "copy", "first") - value(tmp_path / "copy", "second")
    assert ahead in {0, 1}


def test_writers_go_on_while_the_copy_is_made(data, counting, tmp_path):
    def count_on(_text):
        for _ in range(5):
            assert counting.acquire(timeout=5), "a writer had to wait for the copy"

    back_up(data, tmp_path / "copy", count_on)


def test_copies_are_for_their_owner_only(data, tmp_path):
    copies = back_up(data, tmp_path / "copy")

    assert [path.name for path in copies] == ["first.sqlite3", "second.sqlite3"]
    assert {path.stat().st_mode & 0o777 for path in copies} == {0o600}
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o700


def test_backup_is_not_mixed_with_another_one(data, tmp_path):
    back_up(data, tmp_path / "copy")

    with pytest.raises(TargetInUse):
        back_up(data, tmp_path / "copy")


def test_folder_without_a_database_is_no_backup(tmp_path):
    with pytest.raises(NothingToBackUp):
        back_up(tmp_path, tmp_path / "copy")


def test_command_shows_each_copy(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SHOP_DATA_DIR", str(data))

    assert main([str(tmp_path / "copy")]) == 0
    assert "2 of 2" in capsys.readouterr().out


def test_restored_folder_has_what_the_backup_had(data, tmp_path, monkeypatch, capsys):
    back_up(data, tmp_path / "monday")
    with closing(connect(data, "first")) as connection:
        connection.execute("UPDATE counter SET value = 5")
    data.rename(tmp_path / "old")
    monkeypatch.setenv("SHOP_DATA_DIR", str(data))

    assert main([str(tmp_path / "monday"), "--restore"]) == 0

    assert [value(data, name) for name in ("first", "second")] == [0, 0]
    assert f"2 of 2: {data}/second.sqlite3" in capsys.readouterr().out


def test_backup_is_not_restored_over_data(data, tmp_path, monkeypatch, capsys):
    back_up(data, tmp_path / "monday")
    with closing(connect(data, "first")) as connection:
        connection.execute("UPDATE counter SET value = 5")
    monkeypatch.setenv("SHOP_DATA_DIR", str(data))

    assert main([str(tmp_path / "monday"), "--restore"]) == 1

    assert value(data, "first") == 5
    assert "Stop the shop and move that folder away first." in capsys.readouterr().err


def test_backup_without_a_database_is_not_restored(tmp_path):
    (tmp_path / "monday").mkdir()

    with pytest.raises(NothingToBackUp):
        restore(tmp_path / "var", tmp_path / "monday")

    assert not (tmp_path / "var").exists()


def test_command_says_why_it_made_none(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SHOP_DATA_DIR", str(tmp_path))

    assert main([str(tmp_path / "copy")]) == 1
    assert "holds no database" in capsys.readouterr().err
