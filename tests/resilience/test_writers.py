"""Let many write into one database at the same time."""

import itertools
import statistics
import time
from typing import NamedTuple

import pytest

from tests.resilience.at_once import at_once
from tests.resilience.rounds import rounds

pytestmark = pytest.mark.e2e

WRITERS, PRODUCTS = 64, 8
SLOWEST_SECONDS = 1.0
SALT = {
    "title": "Counted salt",
    "brand": "Still",
    "category": "salts",
    "description": "Counted again and again.",
    "price": {"amount_minor": 100, "currency": "USD"},
    "stock": 0,
}


@rounds(short=None, full=60)
def test_writers_wait_for_one_another_and_never_see_a_lock(shared_proof, progress, rounds):
    operators = [buyer.shopper for buyer in shared_proof.buyers(WRITERS, "admin")]
    salts = [operators[0].post("/api/v1/products", json=SALT).json()["id"] for _ in range(PRODUCTS)]
    # Straight to the service, and to one that asks nobody else: what is measured is its database.
    for operator in operators:
        operator.url = shared_proof.shop.url_of("products")
    ends_at = time.monotonic() + rounds

    written = at_once(WRITERS, lambda n: write(operators[n], n, salts[n % PRODUCTS], ends_at))

    answers = [answer for each in written for answer in each]
    slowest = statistics.quantiles((answer.seconds for answer in answers), n=100)[98]
    progress.measured(f"{len(answers)} writes, p99 {slowest * 1000:.0f} ms")
    assert {answer.status for answer in answers} == {200}
    assert slowest <= SLOWEST_SECONDS
    last_words = {(each[-1].product, each[-1].stock) for each in written}
    assert {(salt, operators[0].stock(salt)) for salt in salts} <= last_words


class Answer(NamedTuple):
    """Hold what was written, and what came of it."""

    product: int
    stock: int
    status: int
    seconds: float


def write(operator, number, product, ends_at):
    """Set the stock of a product, to another number each time, until the time is over."""
    answers = []
    for stock in itertools.count(number, WRITERS):
        began = time.monotonic()
        path = f"/api/v1/products/{product}/stock"
        status = operator.put(path, json={"stock": stock}).status_code
        answers.append(Answer(product, stock, status, time.monotonic() - began))
        if time.monotonic() > ends_at:
            break
    return answers
