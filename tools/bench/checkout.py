"""Measure what a checkout costs, over all processes together, and whether a long past matters."""

import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click
import requests
from sqlalchemy import Column, Integer, MetaData, String, Table, insert

from storage.database import Database
from tools.bench.history import databases_in, grow
from tools.measuring import RunningShop, running_shop

LIMIT_MS: Final = 25.0
LIMIT_GROWTH: Final = 1.2
ROUNDS: Final = 10
WARM_UP: Final = 30
PRODUCT: Final = 1
STOCK: Final = 1_000_000
ADDRESS: Final = {
    "name": "Alice",
    "line1": "1 Cauldron Lane",
    "city": "Prague",
    "postal_code": "11000",
    "country": "CZ",
}


@dataclass
class Till:
    """Buy in one shop, and add up what it cost each process there, in milliseconds."""

    shop: RunningShop
    past: int
    spent: Counter[str] = field(default_factory=Counter)
    orders: int = 0

    def __post_init__(self) -> None:
        """Fill the shelf and sign in as a buyer."""
        operator = self._sign_in("admin")
        shelf = f"{self.shop.url()}/api/v1/products/{PRODUCT}/stock"
        operator.put(shelf, json={"stock": STOCK}, timeout=5).raise_for_status()
        self._buyer = self._sign_in("alice")

    def give_past(self) -> None:
        """Buy once, and copy the order until there is as much of a past as asked for."""
        order = self._buy()
        names = (order["id"], order["payment_id"], order["key"])
        urls = databases_in(self.shop.data_dir)
        with _progress(f"{self.past:,} past orders", len(urls) * self.past) as bar:
            grow(urls, names, self.past, bar.update)

    def buy(self, orders: int, *, counted: bool = True) -> None:
        """Place orders one after the other."""
        before = self.shop.processor_ms()
        for _ in range(orders):
            self._buy()
        if counted:
            self.orders += orders
            after = self.shop.processor_ms()
            self.spent.update({name: after[name] - before[name] for name in before})

    def cost(self) -> dict[str, float]:
        """Return the milliseconds of each process for one order."""
        return {name: total / self.orders for name, total in self.spent.items()}

    def _sign_in(self, name: str) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        answer = session.post(
            f"{self.shop.url()}/auth", json={"username": name, "password": name}, timeout=5
        )
        answer.raise_for_status()
        return session

    def _buy(self) -> dict[str, str]:
        key = uuid.uuid4().hex
        answer = self._buyer.post(
            f"{self.shop.url()}/api/v1/orders",
            json={
                "items": [{"product_id": PRODUCT, "quantity": 1}],
                "payment": {"token": "tok_ok"},
                "shipping_address": ADDRESS,
            },
            headers={"Idempotency-Key": key},
            timeout=10,
        )
        answer.raise_for_status()
        return {**answer.json(), "key": key}


@dataclass(frozen=True)
class Result:
    """Hold the cost of a checkout by process, with a short and a long past, in milliseconds."""

    tills: Sequence[Till]
    commits_ms: float

    @property
    def total_ms(self) -> float:
        """Return the cost over all processes with the short past."""
        return sum(self.tills[0].cost().values())

    @property
    def growth(self) -> float:
        """Return how many times as much a checkout costs with the long past."""
        return sum(self.tills[-1].cost().values()) / self.total_ms

    def failures(self) -> list[str]:
        """Return what is above its limit."""
        found = []
        if self.total_ms > LIMIT_MS:
            found.append(f"{self.total_ms:.1f} ms a checkout are above {LIMIT_MS:.0f} ms")
        if self.growth > LIMIT_GROWTH:
            found.append(f"growth by {self.growth:.2f} is above {LIMIT_GROWTH}")
        return found

    def lines(self) -> Iterator[str]:
        """Yield the table."""
        heads = "".join(f"{f'after {till.past:,}':>16}" for till in self.tills)
        yield f"{'a checkout, ms of processor':<28}{heads}"
        costs = [till.cost() for till in self.tills]
        for name in costs[0]:
            yield f"{name:<28}" + "".join(f"{cost[name]:>16.2f}" for cost in costs)
        yield f"{'sum':<28}" + "".join(f"{sum(cost.values()):>16.2f}" for cost in costs)
        yield f"{'ratio to the first':<28}{'':>16}{self.growth:>16.2f}"
        yield f"{'three one-row commits':<28}{self.commits_ms:>16.2f}"


def measure(folder: Path, pasts: Sequence[int], orders: int) -> Result:
    """Run one shop for each length of the past, and buy in them by turns.

    Args:
        folder: where their data goes.
        pasts: the numbers of past orders.
        orders: how many orders are measured in each.
    """
    with ExitStack() as stack:
        tills = [
            Till(
                stack.enter_context(running_shop(folder / str(past), {"GATEWAY_RATE_LIMIT": "0"})),
                past,
            )
            for past in pasts
        ]
        for till in tills:
            till.give_past()
            till.buy(WARM_UP, counted=False)
        with _progress(f"{orders} checkouts each", ROUNDS * len(tills)) as bar:
            for till in tills * ROUNDS:
                till.buy(max(1, orders // ROUNDS))
                bar.update(1)
        return Result(tills, three_commits_ms(folder, orders))


def _progress(label: str, length: int) -> Any:
    # Beside the table, which may be on its way into a file.
    return click.progressbar(length=length, label=label, file=sys.stderr)


def three_commits_ms(folder: Path, times: int) -> float:
    """Return what three transactions of one row each cost, in milliseconds of processor time."""
    metadata = MetaData()
    table = Table(
        "rows", metadata, Column("id", Integer, primary_key=True), Column("x", String(64))
    )
    database = Database(f"sqlite:///{folder / 'commits.sqlite3'}", durable=True)
    database.create_all(metadata)
    began = time.process_time()
    for _ in range(3 * times):
        with database.write() as session:
            session.execute(insert(table).values(x="a row like any other"))
    spent = time.process_time() - began
    database.close()
    return spent * 1000 / times
