"""Hold the revisions of every service against its models, on each kind of database."""

import importlib
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from storage.database import Database
from storage.schema import migrate

SERVICES = Path(__file__).parents[2] / "services"
NAMES = sorted(path.parent.name for path in SERVICES.glob("*/models.py"))
MADE_BEFORE = Path(__file__).with_name("made_before_revisions")


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture
def folder(name):
    return SERVICES / name / "migrations"


@pytest.fixture
def metadata(name):
    return importlib.import_module(f"services.{name}.models").Base.metadata


@pytest.fixture
def open_database(databases, tmp_path):
    """Open new databases, as what is lent may have tables."""
    opened = []

    def open_database(name):
        opened.append(Database(databases.create(name, tmp_path)))
        return opened[-1]

    yield open_database
    for database in opened:
        database.close()


def go(database, folder, revision, command="upgrade"):
    with database.change_schema() as connection:
        migrate(connection, folder, revision, command)


def tables_of(database):
    """Return all that a database knows of its tables, and the comparison of metadata leaves out."""
    with database.engine.connect() as connection:
        inspector = inspect(connection)
        return {
            table: {
                "columns": {
                    column["name"]: (str(column["type"]), column["nullable"])
                    for column in inspector.get_columns(table)
                },
                "key": inspector.get_pk_constraint(table)["constrained_columns"],
                "checks": sorted(c["sqltext"] for c in inspector.get_check_constraints(table)),
                "foreign": sorted(map(str, inspector.get_foreign_keys(table))),
                "unique": sorted(map(str, inspector.get_unique_constraints(table))),
                "indexes": sorted(_as_text(index) for index in inspector.get_indexes(table)),
            }
            for table in inspector.get_table_names()
            if table != "alembic_version"
        }


def _as_text(index):
    # A condition is an object, which would be compared by its place in memory.
    options = index.get("dialect_options", {})
    return str({**index, "dialect_options": {name: str(options[name]) for name in options}})


def test_service_with_tables_has_revisions(folder):
    assert len(list(folder.glob("0001_*.py"))) == 1


def test_revisions_lead_to_what_the_models_say(open_database, name, folder, metadata):
    migrated, made = open_database(name), open_database(name)
    go(migrated, folder, "head")
    made.create_all(metadata)

    with migrated.engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
    assert tables_of(migrated) == tables_of(made)


def test_each_revision_can_be_taken_back_and_made_again(open_database, name, folder):
    database = open_database(name)
    go(database, folder, "head")
    whole = tables_of(database)

    for _ in folder.glob("[0-9]*.py"):
        go(database, folder, "-1", "downgrade")
    assert tables_of(database) == {}

    go(database, folder, "head")
    assert tables_of(database) == whole


def test_revisions_are_numbered_without_a_gap(name, folder):
    paths = sorted(folder.glob("[0-9]*.py"))

    assert [path.name[:4] for path in paths] == [f"{n:04}" for n in range(1, len(paths) + 1)]
    for path in paths:
        assert f'revision = "{name}_{path.name[:4]}"\n' in path.read_text("utf-8")


@pytest.mark.parametrize("old", sorted(MADE_BEFORE.glob("*.sql")), ids=lambda path: path.stem)
def test_file_from_before_there_were_revisions_is_taken_over_with_its_rows(old, tmp_path):
    path = tmp_path / f"{old.stem}.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(old.read_text("utf-8"))
        before = list(connection.iterdump())
    metadata = importlib.import_module(f"services.{old.stem}.models").Base.metadata
    made = Database(f"sqlite:///{tmp_path}/made.sqlite3")
    made.create_all(metadata)

    environ = {"SHOP_DATA_DIR": str(tmp_path), "RECONCILE_SECONDS": "3600"}
    config = importlib.import_module(f"services.{old.stem}.config").Config.from_environ(environ)
    app = importlib.import_module(f"services.{old.stem}").create_app(config)
    assert app.test_client().get("/readyz").status_code == 200

    with closing(sqlite3.connect(path)) as connection:
        after = list(connection.iterdump())
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    rows = {line for line in before if line.startswith("INSERT")}
    assert rows <= set(after)
    taken_over = Database(f"sqlite:///{path}")
    assert tables_of(taken_over) == tables_of(made)
    for database in (taken_over, made):
        database.close()
