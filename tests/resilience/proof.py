"""Keep together a running shop and everything that its promises are held against."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from tests.e2e.running import Shop
from tests.e2e.shopper import Shopper
from tests.resilience.buyers import Buyer, sign_in
from tests.resilience.history import History, Recorder
from tests.resilience.invariants import (
    Evidence,
    Violation,
    everything_ended,
    queues_are_empty,
    violations,
)
from tests.resilience.records import Addresses, has_outbox, read_records, units_in_all
from tests.resilience.subscriber import Subscriber

QUIET_SECONDS = 60.0
"""Within this time after the last fault everything has ended (I6)."""


def wait_until_quiet(look: Callable[[], Evidence]) -> float:
    """Look until everything has ended, at most a minute, and return how long that took."""
    began = time.monotonic()
    while _is_busy(look()) and time.monotonic() - began < QUIET_SECONDS:
        time.sleep(0.1)
    return time.monotonic() - began


class Proof:
    """Run a shop whose history is recorded and whose events have a subscriber."""

    def __init__(
        self, folder: Path, *, stock: Mapping[int, int] | None = None, **environ: str
    ) -> None:
        """Open the shop in a new folder, with a ``stock`` that differs for some products."""
        folder.mkdir()
        self.folder = folder
        self.subscriber = Subscriber(folder)
        self.shop = Shop(folder, NOTIFICATIONS_URL=self.subscriber.url, **environ)
        self.addresses = Addresses.of(self.shop)
        operator = Shopper(self.shop.url).sign_in("admin")
        for product_id, units in (stock or {}).items():
            operator.set_stock(product_id, units)
        self.opening = units_in_all(self.addresses)
        self.recorder = Recorder(folder / "history.jsonl", self.opening)

    def buyers(self, count: int, username: str = "alice") -> list[Buyer]:
        """Return several clients of one user."""
        first = sign_in(self.shop.url, username, self.recorder)
        return [first, *(first.twin() for _ in range(count - 1))]

    def evidence(self) -> Evidence:
        """Return all that there is now."""
        history = History.read(self.recorder.path)
        told = has_outbox(self.addresses.orders)
        effects = self.subscriber.effects if told else None
        return Evidence(history, read_records(self.addresses), effects)

    def settle(self) -> float:
        """Wait until everything has ended, at most a minute, and return how long that took."""
        return wait_until_quiet(self.evidence)

    def violations(self) -> list[Violation]:
        """Wait until the shop is quiet, and return the promises that it broke."""
        self.settle()
        return violations(self.evidence())

    def close(self) -> None:
        self.shop.close()
        self.subscriber.close()
        self.recorder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _is_busy(evidence: Evidence) -> bool:
    return any(True for check in (everything_ended, queues_are_empty) for _ in check(evidence))
