"""Buy as a crowd does that does not give up: each wish under one key until its outcome is known."""

import itertools
import queue
import random
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from tests.e2e.shopper import Shopper
from tests.resilience.history import Call, Outcome, Recorder

PAUSE_SECONDS, PATIENCE_SECONDS = 0.5, 60.0
LONGEST_PAUSE_SECONDS = 8.0
TOKENS = {
    "tok_ok": 84,
    "tok_declined": 6,
    "tok_error_after_charge": 5,
    "tok_hang_after_charge": 5,
}
"""How many of a hundred buyers pay with what."""
SCARCE_PRODUCT, SCARCE_UNITS = 15, 20


@dataclass(frozen=True)
class Wish:
    """Want something, and maybe not any more once it is there."""

    key: str
    items: Sequence[tuple[int, int]]
    token: str = "tok_ok"
    cancels: bool = False


def wishes(count: int, seed: int) -> list[Wish]:
    """Make up wishes, the same ones for the same seed."""
    chance = random.Random(seed)
    return [_wish(f"wish-{seed}-{number}", chance) for number in range(count)]


def _wish(key: str, chance: random.Random) -> Wish:
    products = chance.sample([*range(1, 12), SCARCE_PRODUCT], chance.randint(1, 3))
    items = [(product, chance.randint(1, 2)) for product in products]
    [token] = chance.choices(list(TOKENS), list(TOKENS.values()))
    return Wish(key, items, token, cancels=chance.random() < 0.1)


class Buyer:
    """Act for one user, and write everything down."""

    def __init__(self, url: str, user_id: str, token: str, recorder: Recorder) -> None:
        self.user_id = user_id
        self.shopper = Shopper(url)
        self.shopper.session.headers["Authorization"] = f"Bearer {token}"
        self._token = token
        self._recorder = recorder

    def twin(self) -> "Buyer":
        """Return another client of the same user."""
        return Buyer(self.shopper.url, self.user_id, self._token, self._recorder)

    def order(self, wish: Wish) -> Call:
        """Ask for the order once."""
        return self._recorder.call(
            "order",
            self.user_id,
            lambda: self.shopper.order(wish.items, token=wish.token, key=wish.key),
            key=wish.key,
        )

    def insist(self, wish: Wish) -> Call:
        """Ask for the order until it is known what became of it, at most for a minute."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (call := self.order(wish)).outcome is Outcome.UNKNOWN:
            assert time.monotonic() < deadline, f"nobody knows what became of {wish.key}"
            time.sleep(PAUSE_SECONDS)
        return call

    def cancel(self, order_id: str) -> Call:
        """Ask once to cancel an order."""
        path = f"/api/v1/orders/{order_id}/cancel"
        return self._recorder.call(
            "cancel", self.user_id, lambda: self.shopper.post(path), order_id=order_id
        )


def sign_in(url: str, username: str, recorder: Recorder) -> Buyer:
    """Return a buyer for a user of the shop."""
    shopper = Shopper(url).sign_in(username)
    user_id = shopper.get("/api/v1/auth/me").json()["id"]
    return Buyer(url, user_id, shopper.session.cookies["token"], recorder)


@dataclass(frozen=True, order=True)
class _Task:
    """Hold a wish, and when to ask for it; each repetition waits longer, as decent clients do.

    Without a wish it is time to go home.
    """

    not_before: float
    number: int
    wish: Wish | None = field(compare=False)
    pause_seconds: float = field(default=2 * PAUSE_SECONDS, compare=False)

    def again(self) -> "_Task":
        """Return the next attempt."""
        longer = min(2 * self.pause_seconds, LONGEST_PAUSE_SECONDS)
        return replace(self, not_before=time.monotonic() + self.pause_seconds, pause_seconds=longer)


class Crowd:
    """Let buyers work on wishes at the same time; an unknown outcome is asked for again."""

    def __init__(self, buyers: Sequence[Buyer]) -> None:
        # What was cut off may stay locked for some seconds, so that others come first.
        self._tasks: queue.PriorityQueue[_Task] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._threads = [
            threading.Thread(target=self._work, args=(buyer,), daemon=True) for buyer in buyers
        ]
        for thread in self._threads:
            thread.start()

    def want(self, wanted: Iterable[Wish]) -> None:
        """Have somebody take care of these."""
        for wish in wanted:
            self._tasks.put(_Task(0.0, next(self._numbers), wish))

    def wait(self, seconds: float) -> bool:
        """Wait until each wish has an outcome; return whether that came in time."""
        deadline = time.monotonic() + seconds
        while self._tasks.unfinished_tasks and time.monotonic() < deadline:
            time.sleep(0.02)
        return not self._tasks.unfinished_tasks

    def close(self) -> None:
        """Send everybody home, whether or not they have got what they want."""
        for _ in self._threads:
            self._tasks.put(_Task(-1.0, next(self._numbers), None))
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _work(self, buyer: Buyer) -> None:
        while (wish := (task := self._tasks.get()).wish) is not None:
            time.sleep(max(0.0, task.not_before - time.monotonic()))
            call = buyer.order(wish)
            if call.outcome is Outcome.UNKNOWN:
                self._tasks.put(task.again())
            elif call.outcome is Outcome.OK and wish.cancels and call.order_id:
                buyer.cancel(call.order_id)
            self._tasks.task_done()
