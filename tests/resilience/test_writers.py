"""Let many write into one database at the same time."""

import statistics
import time

import pytest

from tests.resilience.at_once import at_once
from tests.resilience.rounds import rounds

pytestmark = pytest.mark.e2e

WRITERS = 64
SLOWEST_SECONDS = 1.0


@rounds(short=2, full=60)
def test_writers_wait_for_one_another_and_never_see_a_lock(shared_proof, progress, rounds):
    # Straight to the service: what is measured is its database, whose commits reach the disk.
    buyers = shared_proof.buyers(WRITERS)
    for buyer in buyers:
        buyer.shopper.url = shared_proof.shop.url_of("orders")
    ends_at = time.monotonic() + rounds

    answers = [
        answer
        for each in at_once(WRITERS, lambda n: write(buyers[n], n, ends_at))
        for answer in each
    ]

    statuses = {status for status, _ in answers}
    slowest = statistics.quantiles((seconds for _, seconds in answers), n=100)[98]
    progress.measured(f"{len(answers)} writes, p99 {slowest * 1000:.0f} ms")
    assert statuses == {204}
    assert slowest <= SLOWEST_SECONDS


def write(buyer, number, ends_at):
    """Write until the time is over, and return status and seconds of each answer."""
    answers = []
    while time.monotonic() < ends_at:
        began = time.monotonic()
        answer = buyer.shopper.call("DELETE", f"/api/v1/cart/items/{number + 1}")
        answers.append((answer.status_code, time.monotonic() - began))
    return answers
