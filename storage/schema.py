"""Bring a service's tables to the shape that its code expects, or say that they are behind.

Pattern: Evolutionary database design (Ambler and Sadalage, Refactoring Databases), with Alembic.
The folder ``migrations`` of a service holds its revisions, ``<service>_0001`` and up, each in a
file that begins with its number.  The models say the same as all of them together, so an empty
database gets its tables from the models, and Alembic is loaded only to change tables in use.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import click
from flask import Flask, request
from sqlalchemy import Column, Connection, MetaData, String, Table, inspect, select

from chassis.config import ConfigError
from chassis.errors import Unavailable
from chassis.inbound.app import settings_of
from chassis.inbound.health import add_readiness_check, note
from storage.database import Database

# As Alembic makes it.
VERSION = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))

Work = Callable[[], object]

logger = logging.getLogger(__name__)


class Schema:
    """Keep requests waiting until the tables are as the code expects; bring them there if allowed.

    In production that takes the command ``migrate``, or the setting ``SHOP_MIGRATE``.
    """

    def __init__(self, app: Flask, database: Database, metadata: MetaData, *first: Work) -> None:
        """Give a service its readiness checks and the command, and prepare its database.

        Args:
            app: the service; its newest revision is the one that its code expects.
            database: where the tables are.
            metadata: the tables of the models.
            first: what to do before the first request, when the tables are there.

        Raises:
            ConfigError: the database is another service's, or ``first`` raises it.
        """
        self._config = settings_of(app)
        self._database, self._metadata, self._first = database, metadata, first
        self._folder = Path(app.root_path) / "migrations"
        newest = max(path.name for path in self._folder.glob("[0-9]*.py"))
        self._newest = f"{self._config.service}_{newest[:4]}"
        self._lock, self._is_ready = threading.Lock(), False
        self._note = partial(note, app, "schema")
        app.before_request(self._guard)
        app.cli.command("migrate", help="Bring the tables to the newest revision.")(self._migrate)
        add_readiness_check(app, "database", database.check)
        add_readiness_check(app, "schema", self.check)
        try:
            # Whoever asks or waits learns why not; the command ``migrate`` is about to mend it.
            with suppress(Unavailable):
                self._prepare()
        except ConfigError:
            database.close()
            raise

    def check(self) -> None:
        """Prepare the database, unless that is done.

        Raises:
            Unavailable: it can't be done now.
        """
        try:
            self._prepare()
        except ConfigError as error:
            raise Unavailable(str(error)) from error

    def upgrade(self) -> tuple[str | None, str]:
        """Bring the tables to the newest revision; safe in several processes at once.

        Tables that were made before there were revisions are taken for the first one.

        Returns:
            The revisions before, None without any, and after.
        """
        with self._database.change_schema() as connection:
            before = self._stored(connection)
            if before is None:
                self._adopt(connection)
            if self._is_behind(connection):
                migrate(connection, self._folder, self._newest)
            after = self._stored(connection) or self._newest
        if before != after:
            logger.info("The tables went from %s to %s.", before or "none", after)
        return before, after

    def _migrate(self) -> None:
        try:
            before, after = self.upgrade()
        except Unavailable as error:
            raise click.ClickException(error.detail) from error
        word = "already" if before == after else "now"
        click.echo(f"{self._config.service}: {word} at {after}")

    def _guard(self) -> None:
        if not self._is_ready and request.endpoint not in {"healthz", "readyz", "metrics"}:
            try:
                self.check()
            except Unavailable as error:
                self._note(str(error))
                raise

    def _prepare(self) -> None:
        with self._lock:
            if self._is_ready:
                return
            with self._database.read() as session:
                is_behind = self._is_behind(session.connection())
            if is_behind and self._config.production and self._config.migrate != "auto":
                command = f"flask --app services.{self._config.service} migrate"
                raise Unavailable(f"The tables are not at {self._newest}: run `{command}`.")
            if is_behind:
                self.upgrade()
            for work in self._first:
                work()
            self._is_ready = True

    def _is_behind(self, connection: Connection) -> bool:
        # A revision that is too high comes from newer code, which keeps to what this one needs.
        return (self._stored(connection) or "") < self._newest

    def _stored(self, connection: Connection) -> str | None:
        known = inspect(connection).has_table(VERSION.name)
        stored = connection.scalar(select(VERSION.c.version_num)) if known else None
        if stored and not stored.startswith(f"{self._config.service}_"):
            variable = f"{self._config.service.upper()}_DATABASE_URL"
            raise ConfigError(
                f"{variable}: another service keeps its data there, at its revision {stored}; "
                "name a database for this one alone."
            )
        return stored

    def _adopt(self, connection: Connection) -> None:
        is_empty = self._metadata.tables.keys().isdisjoint(inspect(connection).get_table_names())
        if is_empty:
            self._metadata.create_all(connection)
        revision = self._newest if is_empty else f"{self._config.service}_0001"
        VERSION.create(connection, checkfirst=True)
        connection.execute(VERSION.insert().values(version_num=revision))


def migrate(connection: Connection, folder: Path, revision: str, command: str = "upgrade") -> None:
    """Have Alembic go to a revision of a folder, in the transaction of ``connection``."""
    from alembic import command as commands  # noqa: PLC0415 - 11 MB that are seldom needed.
    from alembic.config import Config  # noqa: PLC0415 - as above.

    # Its remarks are of no use to an operator, and one of them sounds like an alarm.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config(attributes={"connection": connection})
    # Paths may have spaces and percent signs in them.
    places = {"script_location": Path(__file__).with_name("alembic"), "version_locations": folder}
    for name, value in {**places, "path_separator": "newline"}.items():
        config.set_main_option(name, str(value).replace("%", "%%"))
    getattr(commands, command)(config, revision)
