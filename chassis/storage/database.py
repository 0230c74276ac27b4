"""Open a service's own database, SQLite when embedded, and hand out short transactions.

Pattern: Database per service (Richardson, Microservices Patterns, 2.2.4).  Sources: SQLite's
pages on WAL, ``PRAGMA synchronous`` and transactions.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import DateTime, Dialect, MetaData, create_engine, event, text
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeDecorator

from chassis.config import Environ, data_dir
from chassis.errors import Unavailable

# As long as a caller waits for the whole answer; a lock held longer is a fault.
BUSY_TIMEOUT_SECONDS = 5.0
CACHE_KIB = 1024  # per connection; the default of 2 MiB adds up over ten services.


class Timestamp(TypeDecorator[datetime]):
    """Store aware UTC datetimes; SQLite would return them without a zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store in UTC."""
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return an aware value."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def default_url(service: str) -> Callable[[Environ], str]:
    """Return a default for ``<SERVICE>_DATABASE_URL``: a file in the data folder."""

    def url(environ: Environ) -> str:
        return f"sqlite:///{data_dir(environ) / service}.sqlite3"

    return url


class Database:
    """Give transactions on one database; safe to share between threads."""

    def __init__(self, url: str, *, durable: bool = False, pool_size: int = 8) -> None:
        """Prepare, without connecting.

        Args:
            url: an SQLAlchemy address.
            durable: on SQLite, survive a power cut and not just a crash of the process; for
                records whose loss costs money.
            pool_size: connections at most, as many as the service has threads.
        """
        parsed = make_url(url)
        self._is_sqlite = parsed.get_backend_name() == "sqlite"
        options: dict[str, Any] = {"pool_size": pool_size, "max_overflow": 0}
        if self._is_sqlite:
            options["connect_args"] = {"timeout": BUSY_TIMEOUT_SECONDS}
            if parsed.database and parsed.database != ":memory:":
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
                # For this user only; SQLite gives the files beside it the same mode.
                Path(parsed.database).touch(mode=0o600)
        self.engine = create_engine(parsed, **options)
        self._writing = self.engine.execution_options(writes=True)
        if self._is_sqlite:
            _set_up_sqlite(self.engine, durable=durable)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a session that sees one consistent state and changes nothing."""
        with _availability(), Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Open a session that commits at the end, or rolls back when an error passes.

        On SQLite it takes the write lock at once: a transaction that reads first and writes
        later would fail where another one wrote in between.
        """
        session = Session(self._writing, expire_on_commit=False)
        with _availability(), session, session.begin():
            yield session

    def create_all(self, metadata: MetaData) -> None:
        """Create the tables that are missing."""
        with _availability(), self._writing.begin() as connection:
            metadata.create_all(connection)

    def check(self) -> None:
        """Ask the database for a sign of life.

        Raises:
            Unavailable: it gives none.
        """
        with self.read() as session:
            session.execute(text("SELECT 1"))

    def close(self) -> None:
        """Close the pooled connections."""
        self.engine.dispose()


@contextmanager
def _availability() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        raise Unavailable("The database can't serve at the moment.") from error


def _enter_wal(connection: sqlite3.Connection) -> None:
    """Wait for the others that open a new file: SQLite's busy timeout doesn't cover this step."""
    give_up = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.01)
        else:
            return


def _set_up_sqlite(engine: Any, *, durable: bool) -> None:
    synchronous = "FULL" if durable else "NORMAL"

    def connect(connection: sqlite3.Connection, _record: object) -> None:
        # The driver's own transaction handling would begin too late; see ``begin``.
        connection.isolation_level = None
        _enter_wal(connection)
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")

    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(engine, "connect", connect)
    event.listen(engine, "begin", begin)
