"""Count the requests of clients together with all gateways that know the same Redis server.

Flask-Limiter's windows are asked without its hooks, because most requests never reach Flask.  A
circuit breaker and short timeouts keep a server that is away or hangs from holding anybody up:
meanwhile each gateway counts alone.
"""

import logging
import time
from typing import Any, Final

from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from limits import RateLimitItemPerSecond
from redis import RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from chassis.clock import Clock
from chassis.outbound.breaker import BreakerPolicy, CircuitBreakerGuard, CircuitOpen, Outcome
from gateway.limits import Limit, RateLimiter

# A busy server answers within 1 ms; who waits for a hung one waits once.
PATIENCE_SECONDS: Final = 0.05
# Counting alone for a while does no harm, so that one failure is enough.
POLICY: Final = BreakerPolicy(
    failure_threshold=1, trial_calls=1, open_seconds=1, max_open_seconds=8
)

logger = logging.getLogger(__name__)


class SharedLimiter(RateLimiter):
    """Count in Redis, by its clock, or in this process while Redis is away."""

    def __init__(self, app: Flask, url: str, clock: Clock) -> None:
        """Open no connection yet; ``url`` begins with ``redis://`` or ``rediss://``."""
        super().__init__(clock)
        options: Any = dict.fromkeys(("socket_timeout", "socket_connect_timeout"), PATIENCE_SECONDS)
        options["retry"] = Retry(NoBackoff(), 0)
        strategy = "sliding-window-counter"
        where = {"storage_uri": url, "storage_options": options}
        self._windows = Limiter(get_remote_address, app=app, strategy=strategy, **where).limiter
        self._guard = CircuitBreakerGuard("redis", POLICY, clock=clock)
        self._guard.add_listener(_tell)

    def seconds_to_wait(self, client: str, limit: Limit) -> float | None:
        """Return when to come back, or None for a request that is let through and counted."""
        item = RateLimitItemPerSecond(limit.amount, limit.seconds)
        try:
            with self._guard.acquire() as permit:
                permit.outcome = Outcome.FAILED
                passed = self._windows.hit(item, limit.name, client)
                at = 0.0 if passed else self._windows.get_window_stats(item, limit.name, client)[0]
                permit.outcome = Outcome.SUCCEEDED
        except (CircuitOpen, RedisError):
            return super().seconds_to_wait(client, limit)
        return None if passed else at - time.time()


def _tell(_name: str, old: str, new: str, reason: str) -> None:
    if "closed" in {old, new}:
        how = "together again" if new == "closed" else "by each gateway alone"
        logger.warning("requests are counted %s: %s", how, reason)
