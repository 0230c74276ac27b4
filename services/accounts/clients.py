"""Reach the neighbours: auth, which erases people, and who is told of new accounts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol
from urllib.parse import quote

from requests.adapters import BaseAdapter

from chassis.clock import Clock
from chassis.errors import BadUpstream, DeadlineExceeded, Unavailable
from chassis.inbound.keyset import KeySet, RemoteKeySet
from chassis.outbound.breaker import BreakerPolicy, CircuitBreakerGuard
from chassis.outbound.client import ServiceClient
from chassis.outbound.service_tokens import issuer_client, service_tokens
from messaging import transports
from messaging.outbox import Transport

from .config import Config
from .errors import LastOperator

# Below the second that the gateway waits, so that it hears what happened.
ERASE_SECONDS = 0.7
# Who is told of accounts: the service and, where there is a broker, its queue.
SUBSCRIBER = "notifications"


class Users(Protocol):
    """Know who can sign in."""

    def erase(self, user_id: str) -> None:
        """Have somebody's credentials and sessions deleted, and everybody told; safe to repeat.

        Raises:
            LastOperator: nobody could run the shop without them.
            Unavailable: auth is away or silent; what it did, its event will tell.
        """
        ...


class HTTPUsers:
    """Reach auth over HTTP."""

    def __init__(self, client: ServiceClient) -> None:
        """Use a client whose base address is the auth service."""
        self._client = client

    def erase(self, user_id: str) -> None:
        """Have somebody erased."""
        path = f"/internal/users/{quote(user_id, safe='')}/erase"
        try:
            answer = self._client.post(path, idempotency_key=f"erase-{user_id}")
        except DeadlineExceeded as error:
            raise Unavailable("Who can sign in can't be changed at the moment.") from error
        code = answer.body.get("code")
        if code == LastOperator.code:
            raise LastOperator(answer.body.get("detail"))
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise BadUpstream(f"An unexpected refusal: {answer.status} {code}.")


@dataclass(frozen=True)
class Clients:
    """Hold everything outside this process that the service talks to.

    ``subscriber`` wants to hear of accounts; ``breakers`` are for operators.
    """

    key_set: KeySet
    users: Users
    subscriber: Transport
    breakers: Mapping[str, CircuitBreakerGuard] = field(default_factory=dict)


def connect(
    config: Config, clock: Clock | None = None, transport: BaseAdapter | None = None
) -> Clients:
    """Return clients for the neighbours that the settings name.

    A ``transport`` takes the place of the network in tests.
    """
    auth = issuer_client(config.auth_url, clock, transport)
    tokens = service_tokens(auth, config.service, config.client_secret, clock)
    eraser = ServiceClient(
        "auth",
        config.auth_url,
        clock=clock,
        policy=BreakerPolicy(open_seconds=config.breaker_open_seconds),
        tokens=tokens,
        read_timeout=ERASE_SECONDS,
        transport=transport,
    )
    subscriber, way = transports.find_way(
        SUBSCRIBER,
        config.notifications_url,
        config.celery_broker_url,
        tokens=tokens,
        clock=clock,
        transport=transport,
    )
    return Clients(
        key_set=RemoteKeySet(lambda path: auth.get(path).body, config, clock),
        users=HTTPUsers(eraser),
        subscriber=subscriber,
        breakers={
            "auth": auth.caller.breaker,
            "auth (erasure)": eraser.caller.breaker,
            **way,
        },
    )
