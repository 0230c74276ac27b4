"""Kill services again and again, and measure how long they are away."""

import random
import time
from collections.abc import Callable

import requests

from tests.e2e.running import Shop

PERIOD_SECONDS = 2.0
PATIENCE_SECONDS = 20.0


def kill_repeatedly(
    shop: Shop, service: str, kills: int, before_each: Callable[[int], object]
) -> list[float]:
    """Kill a service every two seconds, and return for how many seconds it was away each time."""
    chance = random.Random(kills)
    absences = []
    for number in range(kills):
        before_each(number)
        # Some moment while the buyers are at it; any is as good as another.
        time.sleep(chance.uniform(0.02, 0.4))
        began = time.monotonic()
        absences.append(kill_and_wait(shop, service))
        time.sleep(max(0.0, began + PERIOD_SECONDS - time.monotonic()))
    return absences


def kill_and_wait(shop: Shop, service: str) -> float:
    """Kill a service and return for how many seconds it did not answer."""
    killed = shop.kill(service)
    began = time.monotonic()
    while shop.entry(service)["pid"] == killed or not is_ready(shop.url_of(service)):
        assert time.monotonic() - began < PATIENCE_SECONDS, f"{service} did not come back"
        time.sleep(0.01)
    return time.monotonic() - began


def is_ready(url: str) -> bool:
    """Tell whether a service says that it can serve."""
    try:
        answer = requests.get(f"{url}/readyz", timeout=1)
    except requests.RequestException:
        return False
    return answer.status_code == 200
