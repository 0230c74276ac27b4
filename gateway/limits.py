"""Say how often one client may call the shop, and count it.

Pattern: Rate limiting with a leaky bucket; the generic cell rate algorithm (ITU-T I.371) keeps one
number a client: the time at which its bucket will have run dry.  :mod:`gateway.shared_limits`
counts together with other gateways.
"""

import math
from dataclasses import dataclass
from typing import Final

from chassis.clock import Clock
from chassis.errors import TooManyRequests
from chassis.inbound.sources import network_of

# More clients than ever come within two seconds; a bound on the memory that strangers can claim.
MAX_CLIENTS: Final = 10_000
BURST_SECONDS: Final = 2


@dataclass(frozen=True, slots=True)
class Limit:
    """Let ``amount`` requests of a client through in ``seconds``, at once or evenly.

    What has the same ``name`` is counted together.
    """

    name: str
    amount: int
    seconds: int


class RateLimiter:
    """Count what comes to this process."""

    def __init__(self, clock: Clock) -> None:
        """Know no client yet."""
        self._clock = clock
        self._dry_at: dict[tuple[str, str], float] = {}

    def take(self, address: str, limit: Limit) -> None:
        """Count a request of an address.

        Raises:
            TooManyRequests: it is above the limit, and not counted; it says when to come back.
        """
        seconds = self.seconds_to_wait(network_of(address), limit)
        if seconds is not None:
            headers = {"Retry-After": str(max(1, math.ceil(seconds)))}
            raise TooManyRequests("Slow down a little.", headers=headers)

    def seconds_to_wait(self, client: str, limit: Limit) -> float | None:
        """Return when to come back, or None for a request that is let through and counted."""
        key, now = (client, limit.name), self._clock.monotonic()
        dry_at = max(self._dry_at.get(key, now), now) + limit.seconds / limit.amount
        excess = dry_at - now - limit.seconds
        # Sums of small fractions are a little off.
        if excess > 1e-6:
            return excess
        if len(self._dry_at) >= MAX_CLIENTS:
            waiting = {key: at for key, at in self._dry_at.items() if at > now}
            self._dry_at = waiting if len(waiting) < MAX_CLIENTS else {}
        self._dry_at[key] = dry_at
        return None


def general_limit(per_second: float) -> Limit:
    """Return what holds for every request: whole requests in whole seconds, and at least one."""
    seconds = max(BURST_SECONDS, math.ceil(1 / per_second))
    return Limit("all", round(per_second * seconds), seconds)
