"""Hold the tables of a service against the revision that its code expects."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, text

from chassis.config import ConfigError, ServiceConfig
from chassis.inbound.app import create_flask
from storage.database import Database
from storage.schema import Schema

FIRST = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "service_0001", None


def upgrade():
    op.create_table("things", sa.Column("id", sa.Integer(), primary_key=True))
"""
SECOND = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "service_0002", "service_0001"


def upgrade():
    with op.batch_alter_table("things") as table:
        table.add_column(sa.Column("size", sa.Integer(), nullable=True))
"""
OLD, NEW = MetaData(), MetaData()
Table("things", OLD, Column("id", Integer, primary_key=True))
Table("things", NEW, Column("id", Integer, primary_key=True), Column("size", Integer))


@pytest.fixture
def url(databases, tmp_path):
    return databases.create("things", tmp_path)


@pytest.fixture
def write_release(tmp_path):
    """Return the folder of a release, that is of so many revisions."""

    def write_release(release):
        root = tmp_path / f"a release, 100% {release}"
        if not root.exists():
            (root / "migrations").mkdir(parents=True)
            for number, code in enumerate((FIRST, SECOND)[:release], start=1):
                (root / f"migrations/{number:04}_step.py").write_text(code)
        return root

    return write_release


@pytest.fixture
def start(url, tmp_path, write_release):
    """Start the service of a release."""
    opened = []

    def start(release=2, first=lambda: None, **environ):
        root = write_release(release)
        environ = {"SHOP_DATA_DIR": str(tmp_path), **environ}
        app = create_flask("services.service.app", ServiceConfig.from_environ(environ))
        app.root_path = str(root)
        app.add_url_rule("/things", "things", lambda: {"things": count(opened[-1])})
        opened.append(Database(url))
        Schema(app, opened[-1], (OLD, NEW)[release - 1], first)
        return app

    yield start
    for database in opened:
        database.close()


def count(database):
    with database.read() as session:
        return session.scalar(text("SELECT count(*) FROM things"))


def revision_of(url):
    database = Database(url)
    with database.read() as session:
        stored = session.scalar(text("SELECT version_num FROM alembic_version"))
    database.close()
    return stored


def status(app, path="/readyz"):
    return app.test_client().get(path).status_code


def test_empty_database_gets_its_tables(start, url):
    app = start()

    assert (status(app), status(app, "/things")) == (200, 200)
    assert revision_of(url) == "service_0002"


def test_new_release_brings_the_tables_up_to_date_and_keeps_the_rows(start, url):
    start(1)
    execute(url, "INSERT INTO things (id) VALUES (7)")

    app = start(2)

    assert app.test_client().get("/things").get_json() == {"things": 1}
    assert revision_of(url) == "service_0002"


def test_tables_from_before_there_were_revisions_are_taken_for_the_first(start, url):
    database = Database(url)
    database.create_all(OLD)
    database.close()
    execute(url, "INSERT INTO things (id) VALUES (7)")

    app = start(2)

    assert app.test_client().get("/things").get_json() == {"things": 1}
    execute(url, "UPDATE things SET size = 1")


def test_production_waits_for_the_command(start, url, tmp_path):
    start(1)

    app = start(2, SHOP_ENV="production")

    answer = app.test_client().get("/readyz")
    assert (answer.status_code, answer.get_json()["failing"]) == (503, ["schema"])
    assert (status(app, "/things"), status(app, "/healthz")) == (503, 200)
    assert (
        "run `flask --app services.service migrate`" in (tmp_path / "log/service.jsonl").read_text()
    )
    assert revision_of(url) == "service_0001"

    done = app.test_cli_runner().invoke(args=["migrate"])

    assert (done.exit_code, done.output) == (0, "service: now at service_0002\n")
    assert (status(app, "/things"), status(app)) == (200, 200)
    again = app.test_cli_runner().invoke(args=["migrate"])
    assert (again.exit_code, again.output) == (0, "service: already at service_0002\n")


def test_start_says_in_one_line_what_became_of_the_tables(start, tmp_path):
    start(1)
    start(2)

    lines = (tmp_path / "log/service.jsonl").read_text().splitlines()
    assert [json.loads(line)["message"] for line in lines] == [
        "The tables went from none to service_0001.",
        "The tables went from service_0001 to service_0002.",
    ]


def test_request_that_is_refused_for_its_tables_leaves_the_reason_once(start, tmp_path):
    start(1)
    app = start(2, SHOP_ENV="production")

    assert [status(app, "/things"), status(app, "/things")] == [503, 503]

    logged = (tmp_path / "log/service.jsonl").read_text()
    assert logged.count("The tables are not at service_0002") == 1


def test_production_migrates_by_itself_where_a_setting_says_so(start, url):
    start(1)

    assert status(start(2, SHOP_ENV="production", SHOP_MIGRATE="auto")) == 200
    assert revision_of(url) == "service_0002"


def test_release_before_goes_on_with_newer_tables(start, url):
    start(2)

    assert status(start(1, SHOP_ENV="production"), "/things") == 200
    assert revision_of(url) == "service_0002"


def test_database_of_another_service_is_refused(start, url):
    start(1)
    execute(url, "UPDATE alembic_version SET version_num = 'other_0001'")

    with pytest.raises(ConfigError, match=r"^SERVICE_DATABASE_URL: .*other_0001"):
        start(1)


@pytest.mark.usefixtures("many_at_once")
@pytest.mark.parametrize("before", [None, 1])
def test_processes_that_start_at_once_change_the_tables_once(start, write_release, url, before):
    write_release(2)
    if before:
        start(before)

    with ThreadPoolExecutor(6) as pool:
        apps = list(pool.map(lambda _: start(2), range(6)))

    assert [status(app) for app in apps] == [200] * 6
    assert revision_of(url) == "service_0002"


def test_first_work_is_done_once_and_when_the_tables_are_there(start, url):
    done = []
    app = start(2, lambda: done.append(revision_of(url)))

    status(app)
    status(app, "/things")

    assert done == ["service_0002"]


def test_service_starts_without_its_database_and_goes_on_once_it_is_there(tmp_path, postgresql):
    done = []
    away = postgresql.create("away", tmp_path)
    postgresql.destroy(away)
    root = tmp_path / "release"
    (root / "migrations").mkdir(parents=True)
    (root / "migrations/0001_step.py").write_text(FIRST)
    app = create_flask("service", ServiceConfig.from_environ({"SHOP_DATA_DIR": str(tmp_path)}))
    app.root_path = str(root)
    database = Database(away)
    Schema(app, database, OLD, lambda: done.append(1))
    before = app.test_client().get("/readyz").get_json()["failing"]

    postgresql.restore(away)

    assert before == ["database", "schema"]
    assert (status(app), done) == (200, [1])
    database.close()


def test_setting_that_is_found_wrong_late_is_no_error_of_the_server(start, url):
    faults = [ConfigError("USERS_FILE: is missing")]

    def first():
        if faults:
            raise faults[0]

    app = start(2, first, SHOP_ENV="production")
    app.test_cli_runner().invoke(args=["migrate"])

    assert (status(app), status(app, "/things")) == (503, 503)
    faults.clear()
    assert (status(app), status(app, "/things")) == (200, 200)


def execute(url, statement):
    database = Database(url)
    with database.write() as session:
        session.execute(text(statement))
    database.close()
