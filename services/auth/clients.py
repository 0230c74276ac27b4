"""Reach who is told of users: accounts."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from requests.adapters import BaseAdapter

from chassis.clock import Clock
from chassis.outbound.breaker import CircuitBreakerGuard
from chassis.renewal import Renewed
from messaging import transports
from messaging.outbox import Transport

from .config import Config

SUBSCRIBER = "accounts"


@dataclass(frozen=True)
class Clients:
    """Hold everything outside this process that the service talks to."""

    subscriber: Transport
    breakers: Mapping[str, CircuitBreakerGuard] = field(default_factory=dict)


def connect(
    config: Config,
    tokens: Renewed[str],
    clock: Clock | None = None,
    transport: BaseAdapter | None = None,
) -> Clients:
    """Return clients for the neighbours that the settings name.

    A ``transport`` takes the place of the network in tests.
    """
    # Accounts has no worker, so that no broker comes in between.
    subscriber, breakers = transports.find_way(
        SUBSCRIBER, config.accounts_url, "", tokens=tokens, clock=clock, transport=transport
    )
    return Clients(subscriber, breakers)
