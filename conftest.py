"""Let every test that touches a database run on each kind of it."""

import gc
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


@pytest.fixture
def many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let threads play processes that start: each would close the log files of the others."""
    monkeypatch.setattr("chassis.logging.configure", lambda _config: None)


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest) -> Lender:
    """Lend databases of the kind that it is the turn of."""
    return Files() if request.param == "sqlite" else request.getfixturevalue("postgresql")
