"""Copy the embedded databases of a running shop, all as of one moment.

Writers wait for the few milliseconds in which that moment is chosen; the copying itself holds up
nobody.  What is restored is what a power cut at that moment would have left, and the shop finishes
it when it starts.  Databases on a server have tools of their own, such as ``pg_dump``.

Source: SQLite's pages on its backup API and on isolation in WAL mode.
"""

import argparse
import sqlite3
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

from chassis.config import data_dir, environment

# As long as the services themselves wait for a lock.
LOCK_SECONDS: Final = 5.0

Progress = Callable[[str], object]


class NothingToBackUp(Exception):
    """Report a folder without databases."""


class TargetInUse(Exception):
    """Refuse to mix copies with what lies in their folder."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Back up or restore the shop of this environment; return 1 when that can't be done."""
    parser = argparse.ArgumentParser(prog="python -m tools.backup", description=__doc__)
    parser.add_argument("folder", type=Path, help="new folder to copy the databases into")
    parser.add_argument(
        "--restore", action="store_true", help="copy them from there into a new data folder"
    )
    options = parser.parse_args(arguments)
    work, failure = (
        (restore, "Nothing was restored") if options.restore else (back_up, "No backup was made")
    )
    try:
        work(data_dir(environment()), options.folder, lambda text: sys.stdout.write(f"{text}\n"))
    except (NothingToBackUp, TargetInUse, sqlite3.Error, OSError) as error:
        sys.stderr.write(f"{failure}: {error}\n")
        return 1
    return 0


def back_up(data: Path, folder: Path, progress: Progress = lambda _: None) -> list[Path]:
    """Copy every database of a data folder into a new one, and return the copies.

    Raises:
        NothingToBackUp: there is no database.
        TargetInUse: the new folder exists, and is not empty.
        sqlite3.Error: one can't be read, or a copy is not whole.
    """
    sources = sorted(data.glob("*.sqlite3"))
    if not sources:
        raise NothingToBackUp(
            f"{data} holds no database. Those on a server are copied with pg_dump."
        )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise TargetInUse(f"{folder} is not empty.")
    with ExitStack() as stack:
        copies = []
        for number, snapshot in enumerate(snapshots(sources, stack), 1):
            copies.append(folder / sources[number - 1].name)
            _copy(snapshot, copies[-1])
            progress(f"{number} of {len(sources)}: {copies[-1]}")
    return copies


def restore(data: Path, folder: Path, progress: Progress = lambda _: None) -> list[Path]:
    """Make a data folder from a backup, and return its databases.

    Raises:
        NothingToBackUp: the backup holds no database.
        TargetInUse: there is a data folder, and it is not empty: old rows, logs of transactions
            and other files would mix with the copies.
        sqlite3.Error: a copy can't be read, or is not whole.
    """
    if data.exists() and any(data.iterdir()):
        raise TargetInUse(f"{data} is not empty. Stop the shop and move that folder away first.")
    return back_up(folder, data, progress)


def snapshots(sources: Sequence[Path], stack: ExitStack) -> list[sqlite3.Connection]:
    """Open connections that go on seeing all databases as they are at one and the same moment."""
    readers = [_connect(path, stack) for path in sources]
    with ExitStack() as locks:
        # While nobody can write anywhere, every reader begins.
        for path in sources:
            _connect(path, locks).execute("BEGIN IMMEDIATE")
        for reader in readers:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return readers


def _connect(path: Path, stack: ExitStack) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=LOCK_SECONDS, isolation_level=None)
    return stack.enter_context(closing(connection))


def _copy(source: sqlite3.Connection, target: Path) -> None:
    target.touch(mode=0o600)
    with closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
        [[verdict]] = copy.execute("PRAGMA integrity_check").fetchall()
        if verdict != "ok":
            raise sqlite3.DatabaseError(f"{target}: {verdict}")


if __name__ == "__main__":
    sys.exit(main())
