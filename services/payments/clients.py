"""Reach what is outside this process: the key set and the payment provider."""

from collections.abc import Sequence
from dataclasses import dataclass

from requests.adapters import BaseAdapter

from chassis.clock import Clock, SystemClock
from chassis.inbound.keyset import KeySet, RemoteKeySet
from chassis.outbound.breaker import CircuitBreakerGuard
from chassis.outbound.service_tokens import issuer_client
from storage.database import Database

from .config import Config
from .provider import PaymentProvider
from .stand_in import StandInProvider
from .stand_in_events import EventSender


@dataclass(frozen=True)
class Clients:
    """Hold everything outside this process that the service talks to."""

    key_set: KeySet
    provider: PaymentProvider
    breakers: Sequence[CircuitBreakerGuard] = ()


def connect(
    config: Config, clock: Clock | None = None, transport: BaseAdapter | None = None
) -> Clients:
    """Return clients for the neighbour and the provider that the settings name."""
    clock = clock or SystemClock()
    auth = issuer_client(config.auth_url, clock, transport)
    record = Database(config.provider_database_url, durable=True)
    sender = EventSender(config.webhook_url, config.webhook_secret, clock, transport)
    return Clients(
        key_set=RemoteKeySet(lambda path: auth.get(path).body, config, clock),
        provider=StandInProvider(
            record,
            clock,
            timeout_seconds=config.provider_timeout_seconds,
            report_twice=sender.send_twice,
        ),
        breakers=(auth.caller.breaker,),
    )
