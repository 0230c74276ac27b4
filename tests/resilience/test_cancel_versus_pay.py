"""Let a buyer cancel an order while it is being paid."""

import random
import time
from collections import Counter

import pytest
from sqlalchemy import select

from services.orders.models import Order
from tests.resilience.at_once import at_once
from tests.resilience.buyers import Wish
from tests.resilience.records import read_records, reading
from tests.resilience.rounds import rounds

pytestmark = pytest.mark.e2e

TOKENS = ("tok_ok", "tok_ok", "tok_error_after_charge", "tok_hang_after_charge")
PAIRS = 20
"""At once in a round; the full run has ten of them, which are 200."""
TRIES, LAST_WORD_SECONDS = 3, 20.0


@rounds(short=None, full=10)
def test_order_ends_cancelled_or_paid_once(open_proof, progress, rounds):
    proof = open_proof(RECONCILE_SECONDS="0.2")
    payers, cancellers = proof.buyers(PAIRS), proof.buyers(PAIRS)

    for number in progress.rounds(range(rounds), rounds):
        wanted = [wish(number, pair) for pair in range(PAIRS)]

        def act(n, wanted=wanted):
            if n < PAIRS:
                return payers[n].order(wanted[n])
            return cancel_early(proof, cancellers[n - PAIRS], wanted[n - PAIRS])

        at_once(2 * PAIRS, act)

    broken = proof.violations()
    outcomes = ends(proof)
    progress.measured(f"{dict(Counter(outcomes))}")
    assert broken == []
    assert set(outcomes) <= {("cancelled", 1, 0), ("confirmed", 1, 1)}
    assert len(outcomes) == rounds * PAIRS


def wish(number, pair):
    return Wish(f"pair-{number}-{pair}", [(pair % 10 + 1, 1)], TOKENS[pair % len(TOKENS)])


def cancel_early(proof, buyer, wanted):
    """Cancel an order as soon as it is on record, which is sooner than its buyer can know of it."""
    chance = random.Random(wanted.key)
    order_id = find_order(proof, wanted.key)
    for _ in range(TRIES):
        time.sleep(chance.uniform(0, 0.1))
        if buyer.cancel(order_id).status == 200:
            return


def find_order(proof, key):
    """Return the id of the order under a key once there is one."""
    deadline = time.monotonic() + LAST_WORD_SECONDS
    with reading(proof.addresses.orders) as connection:
        while time.monotonic() < deadline:
            found = connection.scalar(select(Order.id).where(Order.idempotency_key == key))
            connection.rollback()
            if found:
                return found
            time.sleep(0.005)
    raise AssertionError(f"{key} was never ordered")


def ends(proof):
    """Return of each order its state, how often it was captured, and what share was kept."""
    records = read_records(proof.addresses)
    return [
        (order.status, len(till.captures), (till.captured - till.refunded) / order.total_minor)
        for order_id, order in records.orders.items()
        for till in [records.provider[order_id]]
    ]
