"""Open shops whose every promise is checked, and show how far long runs are."""

from collections.abc import Callable, Iterator

import pytest

from tests.resilience.progress import Progress
from tests.resilience.proof import Proof


@pytest.fixture
def progress(request) -> Progress:
    return Progress(request)


@pytest.fixture
def open_proof(tmp_path) -> Iterator[Callable[..., Proof]]:
    """Open a shop of the test's own, which is closed at its end."""
    proofs: list[Proof] = []

    def open_one(**settings) -> Proof:
        proofs.append(Proof(tmp_path / f"proof-{len(proofs)}", **settings))
        return proofs[-1]

    yield open_one
    for proof in proofs:
        proof.close()


@pytest.fixture(scope="session")
def shared_proof(tmp_path_factory) -> Iterator[Proof]:
    """Give a shop that the short runs share, because each start takes a second."""
    with Proof(tmp_path_factory.mktemp("proof") / "shop", RECONCILE_SECONDS="0.2") as proof:
        yield proof
