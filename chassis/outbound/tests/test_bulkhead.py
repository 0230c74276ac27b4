from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from chassis.outbound.bulkhead import Bulkhead, BulkheadFull


def test_call_beyond_the_limit_is_refused_at_once():
    bulkhead = Bulkhead("neighbour", 2)

    with bulkhead, bulkhead, pytest.raises(BulkheadFull) as refusal:
        bulkhead.__enter__()

    assert refusal.value.headers == {"Retry-After": "1"}
    assert bulkhead.in_flight == 0


def test_place_is_given_back_when_the_call_fails():
    bulkhead = Bulkhead("neighbour", 1)

    with suppress(ZeroDivisionError), bulkhead:
        _ = 1 / 0

    assert bulkhead.in_flight == 0


def test_fifty_threads_get_ten_places():
    bulkhead = Bulkhead("neighbour", 10)

    def is_admitted(_: int) -> bool:
        try:
            bulkhead.__enter__()
        except BulkheadFull:
            return False
        return True

    with ThreadPoolExecutor(50) as pool:
        admitted = list(pool.map(is_admitted, range(50)))

    assert admitted.count(True) == bulkhead.in_flight == 10
