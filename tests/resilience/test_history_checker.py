"""Break each promise on purpose, in a copy of what a real run left, and see it noticed."""

import shutil

import pytest

from tests.resilience.buyers import Crowd, Wish
from tests.resilience.history import Outcome, outcome_of
from tests.resilience.invariants import INVARIANTS, violations
from tests.resilience.proof import Proof
from tests.resilience.records import has_outbox, read_records
from tests.resilience.seeded_faults import FAULTS, HISTORY, Copy, tell
from tests.resilience.subscriber import FILE
from tools.backup import back_up

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="session")
def run(tmp_path_factory) -> Copy:
    """Let some people buy in a real shop, and keep everything that is on record about it."""
    folder = tmp_path_factory.mktemp("run")
    with Proof(folder / "shop", RECONCILE_SECONDS="0.2") as proof:
        with Crowd(proof.buyers(3)) as crowd:
            crowd.want([Wish("too-much", [(15, 1000)])])
            crowd.want(
                Wish(f"{token}-{number}", [(15, 1), (1, 2)], token, cancels=number == 1)
                for number in range(2)
                for token in ("tok_declined", "tok_ok", "tok_hang_after_charge")
            )
            assert crowd.wait(30)
        proof.settle()
        if not has_outbox(proof.addresses.orders):
            deliver_by_hand(proof)
    back_up(proof.shop.data, folder / "copy")
    for name in (HISTORY, FILE):
        shutil.copy(proof.folder / name, folder / "copy" / name)
    return Copy(folder / "copy")


def deliver_by_hand(proof):
    """Stand in for the relay of a shop that has none."""
    for order_id, path in read_records(proof.addresses).paths.items():
        if any(target == "confirmed" for _, target in path):
            tell(proof.subscriber, order_id)


@pytest.fixture
def copy(run, tmp_path) -> Copy:
    return Copy(shutil.copytree(run.folder, tmp_path / "copy"))


def test_honest_run_breaks_no_promise(copy):
    assert violations(copy.evidence()) == []


@pytest.mark.parametrize(
    ("invariant", "fault"), FAULTS, ids=lambda value: getattr(value, "__name__", value)
)
def test_fault_is_found_and_the_order_named(copy, invariant, fault):
    order_id = fault(copy)

    found = [v.sentence for v in violations(copy.evidence()) if v.invariant == invariant]

    assert any(order_id in sentence for sentence in found), found


def test_every_invariant_has_a_fault_that_breaks_it():
    assert {invariant for invariant, _ in FAULTS} == set(INVARIANTS)


@pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [
        (201, None, Outcome.OK),
        (202, None, Outcome.OK),
        (402, "payment_declined", Outcome.REFUSED),
        (409, "out_of_stock", Outcome.REFUSED),
        (409, "in_progress", Outcome.UNKNOWN),
        (429, None, Outcome.UNKNOWN),
        (500, None, Outcome.UNKNOWN),
        (503, "order_unfinished", Outcome.UNKNOWN),
        (504, None, Outcome.UNKNOWN),
    ],
)
def test_answer_tells_what_is_known(status, code, outcome):
    assert outcome_of(status, {"code": code}) is outcome
