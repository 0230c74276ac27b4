"""Reach the neighbour that knows people: accounts."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol
from urllib.parse import quote

from requests.adapters import BaseAdapter

from chassis.clock import Clock
from chassis.errors import BadUpstream
from chassis.inbound.keyset import KeySet, RemoteKeySet
from chassis.outbound.breaker import BreakerPolicy
from chassis.outbound.client import ServiceClient
from chassis.outbound.service_tokens import issuer_client, service_tokens

from .config import Config

# A greeting is not worth a wait: without an answer by then there is a plain one.
PATIENCE_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Person:
    """Hold how somebody likes to be greeted; ``language`` is a tag such as ``de-AT``."""

    name: str
    language: str | None


class Accounts(Protocol):
    """Know people."""

    def find_person(self, user_id: str) -> Person | None:
        """Return a person, None when there is no account.

        Raises:
            ServiceError: accounts is away, slow or talks rubbish.
        """
        ...


class HTTPAccounts:
    """Reach accounts over HTTP."""

    def __init__(self, client: ServiceClient) -> None:
        """Use a client whose base address is the accounts service."""
        self._client = client

    def find_person(self, user_id: str) -> Person | None:
        """Return a person, None when there is no account."""
        answer = self._client.get(f"/internal/accounts/{quote(user_id, safe='')}")
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        name = answer.body.get("given_name") or answer.body.get("username")
        language = answer.body.get("language")
        if not isinstance(name, str) or not isinstance(language, str | None):
            raise BadUpstream("The account lacks what was agreed.")
        return Person(name, language)


@dataclass(frozen=True)
class Clients:
    """Hold everything outside this process that the service talks to."""

    key_set: KeySet
    accounts: Accounts


def connect(
    config: Config, clock: Clock | None = None, transport: BaseAdapter | None = None
) -> Clients:
    """Return clients for the neighbours; a ``transport`` takes the network's place in tests."""
    auth = issuer_client(config.auth_url, clock, transport)
    accounts = ServiceClient(
        "accounts",
        config.accounts_url,
        clock=clock,
        policy=BreakerPolicy(open_seconds=config.breaker_open_seconds),
        tokens=service_tokens(auth, config.service, config.client_secret, clock),
        read_timeout=PATIENCE_SECONDS,
        transport=transport,
    )
    return Clients(
        key_set=RemoteKeySet(lambda path: auth.get(path).body, config, clock),
        accounts=HTTPAccounts(accounts),
    )
