"""Let many buyers want the same thing at the same moment."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.resilience.at_once import at_once
from tests.resilience.buyers import Buyer, Wish
from tests.resilience.records import Units, count_units, read_records, reading
from tests.resilience.rounds import rounds

pytestmark = pytest.mark.e2e

UNITS, RIVALS = 50, 200
SAMPLE_SECONDS = 0.05


@contextmanager
def sampled_units(address: str, opening: Units) -> Iterator[list[str]]:
    """Count all units every 50 ms, and collect what does not add up (I4)."""
    wrong: list[str] = []
    stop = threading.Event()

    def sample() -> None:
        with reading(address) as connection:
            while not stop.is_set():
                for product, (stock, taken) in count_units(connection).items():
                    if stock < 0 or stock + taken != opening[product]:
                        wrong.append(f"{stock} on sale, {taken} held or sold of {product}")
                connection.rollback()
                stop.wait(SAMPLE_SECONDS)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield wrong
    finally:
        stop.set()
        thread.join()


@rounds(short=None, full=20)
def test_fifty_units_are_sold_to_fifty_of_two_hundred_buyers(open_proof, progress, rounds):
    proof = open_proof(stock=dict.fromkeys(range(1, rounds + 1), UNITS))
    buyers = proof.buyers(RIVALS)

    for product in progress.rounds(range(1, rounds + 1), rounds):
        with sampled_units(proof.addresses.products, proof.opening) as wrong:
            calls = at_once(RIVALS, lambda n, p=product: buyers[n].insist(one_of(p, n)))

        sold = {call.order_id for call in calls if call.status == 201}
        refused = {call.body["code"] for call in calls if call.status != 201}
        provider = read_records(proof.addresses).provider
        assert Counter(call.status for call in calls) == {201: UNITS, 409: RIVALS - UNITS}
        assert refused == {"out_of_stock"}
        assert buyers[0].shopper.stock(product) == 0
        assert [len(provider[order_id].captures) for order_id in sold] == [1] * UNITS
        assert wrong == []
    assert proof.violations() == []


def one_of(product: int, number: int) -> Wish:
    return Wish(f"race-{product}-{number}", [(product, 1)])


@rounds(short=1, full=20)
def test_fifty_requests_with_one_key_place_one_order(shared_proof, progress, rounds):
    buyers: list[Buyer] = shared_proof.buyers(50)

    for number in progress.rounds(range(rounds), rounds):
        wish = Wish(f"fifty-at-once-{time.monotonic_ns()}-{number}", [(1, 1)])
        calls = at_once(50, lambda n, w=wish: buyers[n].order(w))

        placed = {call.order_id for call in calls if call.status == 201}
        assert {call.status for call in calls} <= {201, 409}
        assert len(placed) == 1
    assert shared_proof.violations() == []
