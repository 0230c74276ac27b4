"""Kill a service again and again while people buy, and see that every promise is kept."""

import time

import pytest

from tests.resilience.buyers import SCARCE_PRODUCT, SCARCE_UNITS, Crowd, wishes
from tests.resilience.faults import kill_repeatedly
from tests.resilience.proof import QUIET_SECONDS
from tests.resilience.rounds import rounds

pytestmark = pytest.mark.e2e

ORDERS_PER_KILL = 17
"""With the 30 kills of the full run more than 500 orders."""
BUYERS = 8
BACK_SECONDS = 5.0


# A killed orders service leaves its orders locked for 15 s, which is too long for the usual tests.
@pytest.mark.parametrize("service", ["orders", "payments", "products"])
@rounds(short=None, full=30)
def test_nothing_is_lost_or_doubled_when_a_service_is_killed(open_proof, progress, service, rounds):
    proof = open_proof(stock={SCARCE_PRODUCT: SCARCE_UNITS}, BREAKER_OPEN_SECONDS="0.2")

    absences, last_kill = buy_under_fire(proof, progress, service, rounds)

    proof.settle()
    settled = time.monotonic() - last_kill
    broken = proof.violations()
    history = proof.evidence().history
    progress.measured(f"away for at most {max(absences):.2f} s, all settled {settled:.1f} s after")
    assert broken == []
    assert history.unresolved() == []
    assert 500 not in history.statuses()
    assert max(absences) <= BACK_SECONDS
    assert settled <= QUIET_SECONDS


def buy_under_fire(proof, progress, service, kills):
    """Let a crowd buy while a service is killed; return its absences, and the time of the last."""
    with Crowd(proof.buyers(BUYERS)) as crowd:

        def buy_more(number):
            progress.at(number + 1, kills)
            crowd.want(wishes(ORDERS_PER_KILL, seed=number))

        absences = kill_repeatedly(proof.shop, service, kills, buy_more)
        last_kill = time.monotonic()
        assert crowd.wait(QUIET_SECONDS), "some wishes never got an answer"
    return absences, last_kill
