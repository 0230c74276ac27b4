"""Let many buyers want the same thing at the same moment."""

import threading
from collections import Counter
from collections.abc import Callable

import pytest
import requests

from tests.e2e.shopper import Shopper

pytestmark = pytest.mark.e2e


def at_once(count: int, act: Callable[[int], requests.Response]) -> list[requests.Response]:
    """Return the answers of ``count`` threads that start together."""
    together = threading.Barrier(count)
    answers: list[requests.Response] = []

    def run(number: int) -> None:
        together.wait()
        answers.append(act(number))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_fifty_units_are_sold_to_fifty_of_two_hundred_buyers(alice, operator):
    operator.set_stock(14, 50)
    token = alice.session.cookies["token"]
    buyers = [Shopper(alice.url) for _ in range(200)]
    for buyer in buyers:
        buyer.session.headers["Authorization"] = f"Bearer {token}"

    answers = at_once(200, lambda number: buyers[number].order([(14, 1)]))

    refused = {answer.json()["code"] for answer in answers if answer.status_code != 201}
    assert Counter(answer.status_code for answer in answers) == {201: 50, 409: 150}
    assert refused == {"out_of_stock"}
    assert alice.stock(14) == 0


def test_fifty_requests_with_one_key_place_one_order(alice):
    token = alice.session.cookies["token"]
    buyers = [Shopper(alice.url) for _ in range(50)]
    for buyer in buyers:
        buyer.session.headers["Authorization"] = f"Bearer {token}"

    answers = at_once(50, lambda number: buyers[number].order([(1, 1)], key="fifty-at-once"))

    statuses = Counter(answer.status_code for answer in answers)
    placed = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    assert set(statuses) <= {201, 409}
    assert len(placed) == 1
