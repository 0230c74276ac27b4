"""Decide who the client is, under which name it may call the shop, and how often."""

import math
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_address, ip_network
from typing import Any, Final

from chassis.clock import Clock
from chassis.errors import TooManyRequests
from gateway.config import Network
from gateway.errors import UnknownHost

# More clients than ever come within two seconds; a bound on the memory that strangers can claim.
MAX_CLIENTS: Final = 10_000
BURST_SECONDS: Final = 2.0

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::[0-9]{1,5})?", re.ASCII)
_PROXY_MARKS = {"HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_FORWARDED_FOR"}


def check_host(host: str, allowed: Container[str]) -> None:
    """Let a ``Host`` header pass if it is one of the names that are allowed, on any port.

    Otherwise an answer, a link or a mail could be made to name another site.

    Raises:
        UnknownHost: when it is missing, malformed or another name.
    """
    match = _HOST.fullmatch(host)
    if not match or match[1].lower() not in allowed:
        raise UnknownHost("The shop is not served under this name.")


def client_address(environ: Mapping[str, Any], trusted: Sequence[Network]) -> str:
    """Return where a request comes from: the last address that no trusted proxy has."""
    address: str = environ["REMOTE_ADDR"]
    if trusted:
        hops = environ.get("HTTP_X_FORWARDED_FOR", "").replace(",", " ").split()
        while hops and _is_in(address, trusted):
            address = hops.pop()
    return address


def _is_in(address: str, networks: Iterable[Network]) -> bool:
    try:
        return any(ip_address(address) in network for network in networks)
    except ValueError:
        return False


def is_local(environ: Mapping[str, Any]) -> bool:
    """Tell whether the client is on this machine, and not just its last proxy."""
    proxied = not _PROXY_MARKS.isdisjoint(environ)
    return not proxied and ip_address(environ["REMOTE_ADDR"]).is_loopback


class RateLimiter:
    """Let each client through at a steady rate, with bursts of two seconds' worth.

    Pattern: Rate limiting with a leaky bucket; the generic cell rate algorithm (ITU-T I.371)
    keeps one number a client: the time at which its bucket will have run dry.
    """

    def __init__(self, per_second: float, clock: Clock) -> None:
        """Allow ``per_second`` requests; 0 allows any number."""
        self._interval = 1 / per_second if per_second > 0 else 0.0
        self._clock = clock
        self._dry_at: dict[str, float] = {}

    def take(self, address: str) -> None:
        """Count a request.

        Raises:
            TooManyRequests: when the client is too fast; it says when to come back.
        """
        if not self._interval:
            return
        key, now = _network_of(address), self._clock.monotonic()
        dry_at = max(self._dry_at.get(key, now), now) + self._interval
        excess = dry_at - now - max(BURST_SECONDS, self._interval)
        # Sums of small fractions are a little off.
        if excess > 1e-6:
            headers = {"Retry-After": str(math.ceil(excess))}
            raise TooManyRequests("Slow down a little.", headers=headers)
        if len(self._dry_at) >= MAX_CLIENTS:
            waiting = {key: at for key, at in self._dry_at.items() if at > now}
            self._dry_at = waiting if len(waiting) < MAX_CLIENTS else {}
        self._dry_at[key] = dry_at


def _network_of(address: str) -> str:
    """Return what is counted: whoever has an IPv6 address has a whole /64 of them."""
    if ":" in address:
        with suppress(ValueError):
            return str(ip_network(f"{address}/64", strict=False))
    return address
