"""Open a service's own database, SQLite when embedded or PostgreSQL, for short transactions.

Pattern: Database per service (Richardson, Microservices Patterns, 2.2.4).  Sources: SQLite's
pages on WAL, ``PRAGMA synchronous`` and transactions; PostgreSQL's on transaction isolation,
explicit locking and client connection defaults.

On SQLite one transaction writes at a time.  On PostgreSQL several do, each statement sees what was
committed before it, and what must not change between a look and a write is locked by the caller:
with ``with_for_update``, in the order of keys, or with :func:`serialise`.
"""

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import DateTime, Dialect, MetaData, create_engine, event, func, select, text
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as NoFreeConnection
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeDecorator

from chassis.config import Environ, Secret, data_dir
from chassis.errors import Unavailable

# As long as a caller waits for the whole answer; a lock held longer is a fault.
BUSY_TIMEOUT_SECONDS = 5.0
KINDS = ("sqlite", "postgresql", "postgres")
# Gunicorn's own for a worker that can't start: at any other it would start it again, for ever.
EXIT_UNREACHABLE = 3
CACHE_KIB = 1024  # per connection; the default of 2 MiB adds up over ten services.
# A process that hangs half-way must not keep its locks, hence the last one.
_POSTGRESQL_SETTINGS = (
    r"-c timezone=UTC -c default_transaction_isolation=read\ committed -c lock_timeout=5s"
    " -c statement_timeout=5s -c idle_in_transaction_session_timeout=5s"
)

Outcome = TypeVar("Outcome")

logger = logging.getLogger(__name__)


class Collision(Unavailable):
    """Say that another transaction got in the way; the same one again may succeed."""


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


def database_address(text: str) -> Secret:
    """Read the address of a database, for a setting.

    Raises:
        ValueError: it is none, or of a kind that is not served; the message does not repeat it,
            because it may hold a password.
    """
    _parsed(text)
    return Secret(text)


class Database:
    """Give transactions on one database; safe to share between threads."""

    def __init__(self, url: str, *, durable: bool = False, pool_size: int = 8) -> None:
        """Prepare, without connecting.

        Args:
            url: an SQLAlchemy address; ``postgres://`` and ``postgresql://`` mean psycopg 3.
            durable: on SQLite, survive a power cut and not just a crash of the process; for
                records whose loss costs money.
            pool_size: connections at most, as many as the service has threads.

        Raises:
            ValueError: the address is of another kind.
        """
        parsed = _parsed(url)
        self._address = parsed
        self._trouble = ""
        is_sqlite = parsed.get_backend_name() == "sqlite"
        prepare = _prepare_sqlite if is_sqlite else _prepare_postgresql
        parsed, options = prepare(parsed)
        options |= {"pool_timeout": BUSY_TIMEOUT_SECONDS, "max_overflow": 0}
        self.engine = create_engine(parsed, pool_size=pool_size, **options)
        self._writing = self.engine.execution_options(writes=True)
        self._reading = self.engine
        if is_sqlite:
            _set_up_sqlite(self.engine, durable=durable)
        else:
            self._reading = self.engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a session that sees one consistent state and changes nothing."""
        with self._availability(), Session(self._reading, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Open a session that commits at the end, or rolls back when an error passes.

        On SQLite it takes the write lock at once: a transaction that reads first and writes
        later would fail where another one wrote in between.

        Raises:
            Collision: another transaction was in the way.
            Unavailable: the database can't serve.
        """
        session = Session(self._writing, expire_on_commit=False)
        with self._availability(), session, session.begin():
            yield session

    def create_all(self, metadata: MetaData) -> None:
        """Create the tables that are missing; safe in several processes at once."""
        with self.change_schema() as connection:
            metadata.create_all(connection)

    @contextmanager
    def change_schema(self) -> Iterator[Connection]:
        """Open a transaction for tables instead of rows, one at a time whatever the process."""
        with self._availability(), self._writing.connect() as connection:
            # Not for the pool again, because of what is set here.
            connection.detach()
            if connection.dialect.name == "sqlite":
                # Replacing a table by its copy would else delete the rows that refer to it.
                connection.connection.cursor().execute("PRAGMA foreign_keys = OFF")
            with connection.begin():
                serialise(connection, "schema")
                if connection.dialect.name == "postgresql":
                    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
                yield connection

    def check(self) -> None:
        """Ask the database for a sign of life.

        Raises:
            Unavailable: it gives none.
        """
        with self.read() as session:
            session.execute(text("SELECT 1"))

    def require(self, variable: str) -> None:
        """End the process, with a line about its setting, when the database can't be reached.

        For a service that had better be started again than wait, as it does otherwise.
        """
        try:
            self.check()
        except Unavailable:
            logger.critical("%s: the database at %s can't be reached.", variable, self._shown())
            raise SystemExit(EXIT_UNREACHABLE) from None

    def close(self) -> None:
        """Close the pooled connections."""
        self.engine.dispose()

    @contextmanager
    def _availability(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, NoFreeConnection) as error:
            # Of two transactions that wait for one another, PostgreSQL ends one with 40P01.
            if getattr(getattr(error, "orig", None), "sqlstate", None) in {"40001", "40P01"}:
                raise Collision("The database is busy with the same; try again.") from error
            lost = getattr(error, "connection_invalidated", True)
            if lost or isinstance(error, (OperationalError, InterfaceError)):
                self._report(error)
                raise Unavailable("The database can't serve at the moment.") from error
            raise
        if self._trouble:
            self._trouble = ""
            logger.info("The database at %s serves again.", self._shown())

    def _report(self, error: DBAPIError | NoFreeConnection) -> None:
        """Log what the driver says, once until it says something else.

        Callers learn less, and whoever polls would fill the log.
        """
        # Not the error itself, which shows the statement with its values.
        said = " ".join(str(getattr(error, "orig", error)).split())
        for password in _passwords(self._address):
            said = said.replace(password, "***")
        if said != self._trouble:
            self._trouble = said
            logger.warning("The database at %s can't serve: %s", self._shown(), said)

    def _shown(self) -> str:
        # A password may stand among the parameters as well.
        return self._address.set(query={}).render_as_string(hide_password=True)


def repeat_on_collision(attempt: Callable[[], Outcome]) -> Outcome:
    """Attempt a write again when another one made the same row or locked the same ones meanwhile.

    The attempt is a whole transaction, and finds what the other one left.
    """
    for _ in range(2):
        with suppress(IntegrityError, Collision):
            return attempt()
    return attempt()


def serialise(transaction: Connection | Session, name: str) -> None:
    """Wait until no other transaction has named the same, and keep it until the end.

    For what there is no row of to lock; SQLite's write lock does it for everything.
    """
    connection = transaction.connection() if isinstance(transaction, Session) else transaction
    if connection.dialect.name == "postgresql":
        key = func.hashtextextended(name, 0)
        connection.execute(select(func.pg_advisory_xact_lock(key)))


def _parsed(text: str) -> URL:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # Without the cause, which may repeat a part of the password.
        raise ValueError("expected an address such as postgresql://user:…@host/database") from None
    if url.get_backend_name() not in KINDS:
        raise ValueError(f"expected an address that begins with {', '.join(KINDS)}")
    return url


def _passwords(url: URL) -> list[str]:
    parameters = [str(value) for name, value in url.query.items() if "password" in name]
    return [each for each in (url.password, *parameters) if each]


def _prepare_sqlite(url: URL) -> tuple[URL, dict[str, Any]]:
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        # For this user only; SQLite gives the files beside it the same mode.
        Path(url.database).touch(mode=0o600)
    return url, {"connect_args": {"timeout": BUSY_TIMEOUT_SECONDS}}


def _prepare_postgresql(url: URL) -> tuple[URL, dict[str, Any]]:
    # The address may bring settings of its own, such as a search path.
    settings = f"{_POSTGRESQL_SETTINGS} {url.query.get('options', '')}"
    # The network may swallow a connection without a word: seconds to begin one, then milliseconds.
    patience = {"connect_timeout": 2, "tcp_user_timeout": 5000}
    # A restarted server would otherwise fail one request for each pooled connection.
    options = {"connect_args": {**patience, "options": settings}, "pool_pre_ping": True}
    # Nobody keeps hstores, which each first connection would be asked about.
    options |= {"use_native_hstore": False}
    return url.set(drivername="postgresql+psycopg"), options


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
