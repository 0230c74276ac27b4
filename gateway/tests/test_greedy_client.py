"""One client asks ten times as often as it may (case 4)."""

import statistics
import threading
import time
from http.client import HTTPConnection

import pytest

from gateway.tests.conftest import Server
from gateway.tests.stub import Stub

RATE, GREED, SECONDS = 50, 10, 6


class Client:
    """Ask again and again from one address, over one connection."""

    def __init__(self, port: int, address: str) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=10)
        self._headers = {"Host": "localhost", "X-Forwarded-For": address}
        self.seconds: list[float] = []
        self.answers: list[tuple[int, str | None]] = []

    def close(self) -> None:
        self._connection.close()

    def ask(self, per_second: float, seconds: float) -> None:
        began = time.monotonic()
        for number in range(int(per_second * seconds)):
            time.sleep(max(0.0, began + number / per_second - time.monotonic()))
            started = time.perf_counter()
            self._connection.request("GET", "/greet/A", headers=self._headers)
            answer = self._connection.getresponse()
            answer.read()
            self.seconds.append(time.perf_counter() - started)
            self.answers.append((answer.status, answer.headers["Retry-After"]))


def p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[-1]


@pytest.mark.long
@pytest.mark.parametrize("shared", [False, True], ids=["alone", "redis"])
def test_greedy_client_is_held_back_and_others_notice_nothing(tmp_path, redis_url, shared):
    stub = Stub()
    settings = {"GATEWAY_RATE_LIMIT": str(RATE), "TRUSTED_PROXIES": "127.0.0.1"}
    settings |= {"REDIS_URL": redis_url} if shared else {}
    server = Server(tmp_path, stub, **settings)
    before, during, greedy = (Client(server.port, f"192.0.2.{n}") for n in range(3))

    # The first of all waits for the server to start.
    before.ask(1, 1)
    before.seconds.clear()
    before.ask(RATE / 2, SECONDS)
    greed = threading.Thread(target=greedy.ask, args=(RATE * GREED, SECONDS))
    greed.start()
    during.ask(RATE / 2, SECONDS)
    greed.join()
    for client in (before, during, greedy):
        client.close()
    server.close()
    stub.close()

    passed = [status for status, _ in greedy.answers].count(200)
    waits = {wait for status, wait in greedy.answers if status == 429}
    assert {status for status, _ in [*before.answers, *during.answers]} == {200}
    assert passed <= RATE * (SECONDS + 3)
    assert all(int(wait or 0) >= 1 for wait in waits)
    assert len(waits) > 0
    # Some milliseconds are the scheduler's, on a machine with few cores.
    assert p99(during.seconds) <= 1.5 * p99(before.seconds) + 0.005
