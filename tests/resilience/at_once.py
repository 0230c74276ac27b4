"""Do something in many threads that start together."""

import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def at_once(count: int, act: Callable[[int], Result]) -> list[Result]:
    """Return the results of ``count`` threads that start together."""
    together = threading.Barrier(count)
    results: list[Result] = []

    def run(number: int) -> None:
        together.wait()
        results.append(act(number))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
