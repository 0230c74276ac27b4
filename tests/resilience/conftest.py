"""Open shops whose every promise is checked, and show how far long runs are."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.databases import kinds_of
from tests.resilience import rounds
from tests.resilience.progress import Progress
from tests.resilience.proof import Proof

FOLDER = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have all of this folder run by ``make test-services``: most of it needs a shop for itself."""
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker("services")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    rounds.parametrize(metafunc, kinds_of(metafunc.config))


@pytest.fixture(scope="session")
def kind(request) -> str:
    """Give the kind of database that a shop has."""
    return str(request.param)


@pytest.fixture(scope="session")
def where(request, kind, tmp_path_factory) -> Callable[[], dict[str, str]]:
    """Return settings for the data of a shop: none for SQLite, which is in its folder."""
    if kind == "sqlite":
        return dict
    server = request.getfixturevalue("postgresql")
    return lambda: server.settings(tmp_path_factory.getbasetemp())


@pytest.fixture
def progress(request) -> Progress:
    return Progress(request)


@pytest.fixture
def open_proof(where, tmp_path) -> Iterator[Callable[..., Proof]]:
    """Open a shop of the test's own, which is closed at its end."""
    proofs: list[Proof] = []

    def open_one(**settings) -> Proof:
        folder = tmp_path / f"proof-{len(proofs)}"
        proofs.append(Proof(folder, **{**where(), **settings}))
        return proofs[-1]

    yield open_one
    for proof in proofs:
        proof.close()


@pytest.fixture(scope="session")
def shared_proof(where, tmp_path_factory) -> Iterator[Proof]:
    """Give a shop that the short runs share, because each start takes a second."""
    folder = tmp_path_factory.mktemp("proof") / "shop"
    with Proof(folder, **where(), RECONCILE_SECONDS="0.2") as proof:
        yield proof
