"""Let every test that touches a database run on each kind of it."""

import ast
import gc
import logging
import threading
from collections.abc import Iterator

import pytest

from tests.databases import KINDS, Files, Lender, Server, kinds_of


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database",
        choices=("both", *KINDS),
        default="both",
        help="run on this kind of database; `both` has the services' own tests and the long "
        "runs on each, and what else needs the whole shop on SQLite",
    )


def pytest_collection_finish() -> None:
    """Spare the collector what stays until the end: thousands of tests, and all modules."""
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "databases" in metafunc.fixturenames:
        kinds = kinds_of(metafunc.config)
        metafunc.parametrize("databases", kinds, indirect=True, scope="session")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """Run a server for all tests of this run."""
    with Server() as server:
        yield server


@pytest.fixture(scope="module", autouse=True)
def _usual_log_level() -> None:
    """Take back what the applications before said that the whole process should log."""
    logging.getLogger().setLevel(logging.WARNING)


@pytest.fixture
def many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let threads play processes that start: each would close the log files of the others."""
    monkeypatch.setattr("chassis.logging.configure", lambda _config: None)
    # Werkzeug parses Python for its routes, which Python 3.11 does not survive in two threads.
    lock, parse = threading.Lock(), ast.parse

    def one_at_a_time(*source: str) -> ast.AST:
        with lock:
            return parse(*source)

    monkeypatch.setattr("ast.parse", one_at_a_time)


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Lender:
    """Lend databases of the kind that it is the turn of."""
    if request.param == "sqlite":
        return Files(tmp_path_factory.mktemp("databases"))
    server: Server = request.getfixturevalue("postgresql")
    return server
