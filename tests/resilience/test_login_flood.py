"""Flood the log-in of a running shop, and look at its catalogue meanwhile."""

import itertools
import os
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from multiprocessing import get_context
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.resilience.rounds import rounds

FLOODERS = 16
LOOKS = 400
PAUSE_SECONDS = 0.005
# Of each flooder, between two guesses: the network's, and it spares the machine that plays both.
FLOOD_PAUSE_SECONDS = 0.05


def look(url: str, looks: int) -> list[float]:
    """Return how many seconds each look at the catalogue took."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=10)
    seconds = []
    for _ in range(looks):
        started = time.perf_counter()
        connection.request("GET", "/api/v1/products")
        answer = connection.getresponse()
        answer.read()
        seconds.append(time.perf_counter() - started)
        assert answer.status == 200
        time.sleep(PAUSE_SECONDS)
    connection.close()
    return seconds


@contextmanager
def flood(url: str) -> Iterator[Counter[int]]:
    """Try names and passwords from ever new addresses; gives the statuses at the end."""
    processes, statuses = get_context("spawn"), Counter[int]()
    ended, results = processes.Event(), processes.Queue()
    attacker = processes.Process(target=guess_until, args=(ended, url, results))
    attacker.start()
    try:
        yield statuses
    finally:
        ended.set()
        statuses.update(results.get(timeout=30))
        attacker.join()


def guess_until(ended: Any, url: str, results: Any) -> None:
    """Play the attacker in a process of its own, whose own work is not the shop's to carry."""
    os.nice(19)
    numbers, statuses = itertools.count(), Counter[int]()

    def guess() -> None:
        connection = HTTPConnection(urlsplit(url).netloc, timeout=10)
        while not ended.is_set():
            n = next(numbers)
            source = f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"
            headers = {"X-Forwarded-For": source, "Content-Type": "application/json"}
            body = f'{{"username": "user-{n}", "password": "wrong"}}'
            connection.request("POST", "/api/v1/auth/login", body, headers)
            answer = connection.getresponse()
            answer.read()
            statuses[answer.status] += 1
            time.sleep(FLOOD_PAUSE_SECONDS)
        connection.close()

    threads = [threading.Thread(target=guess) for _ in range(FLOODERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put(statuses)


def slowest(seconds: list[float]) -> float:
    """Return the time within which 99 of 100 looks were answered."""
    return statistics.quantiles(seconds, n=100)[98]


@pytest.mark.e2e
@rounds(short=None, full=5)
def test_flood_of_log_ins_leaves_the_catalogue_alive(open_shop, rounds, record_property):
    shop = open_shop(TRUSTED_PROXIES="127.0.0.1/32")
    look(shop.url, LOOKS)

    before: list[float] = []
    during: list[float] = []
    for _ in range(rounds):
        before += look(shop.url, LOOKS)
        with flood(shop.url) as statuses:
            look(shop.url, LOOKS // 4)
            during += look(shop.url, LOOKS)
        # It has to keep the hasher at work.
        assert statuses[401] >= 10

    milliseconds = [1000 * slowest(seconds) for seconds in (before, during)]
    record_property("p99_milliseconds", milliseconds)
    assert milliseconds[1] <= 3 * milliseconds[0]
