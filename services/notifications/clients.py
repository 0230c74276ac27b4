"""Reach the neighbours that notifications depend on: accounts, and auth for tokens and keys.

Pattern: Anti-corruption layer (Evans, Domain-Driven Design, chapter 14).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol
from urllib.parse import quote

from requests.adapters import BaseAdapter

from chassis.clock import Clock
from chassis.errors import BadUpstream, Unavailable
from chassis.inbound.keyset import KeySet, RemoteKeySet
from chassis.outbound.breaker import CircuitBreakerGuard
from chassis.outbound.client import Answer, ServiceClient
from chassis.outbound.service_tokens import issuer_client, service_tokens
from messaging.transports import BREAKER

from .config import Config
from .domain import Recipient

# They speak of the two services, and not of the account.
_NOT_ITS_FAULT = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS}


class Accounts(Protocol):
    """Know how people want to be written to."""

    def find(self, user_id: str) -> Recipient | None:
        """Return whom to write to; None for an account that is gone or has no mail address.

        Raises:
            Unavailable, DeadlineExceeded: nobody could say.
            BadUpstream: the answer could not be used.
        """
        ...


class HTTPAccounts:
    """Reach accounts over HTTP."""

    def __init__(self, client: ServiceClient) -> None:
        """Use a client whose base address is the accounts service."""
        self._client = client

    def find(self, user_id: str) -> Recipient | None:
        """Return whom to write to."""
        answer = self._client.get(f"/internal/accounts/{quote(user_id, safe='')}")
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        if answer.status in _NOT_ITS_FAULT:
            raise Unavailable(f"Accounts answered {answer.status}.")
        if answer.status != HTTPStatus.OK:
            raise BadUpstream(f"Accounts answered {answer.status}.")
        return _recipient(answer)


@dataclass(frozen=True)
class Clients:
    """Hold everything outside this process that the service talks to, but for the mail server.

    ``breakers`` are for operators.
    """

    key_set: KeySet
    accounts: Accounts
    breakers: Mapping[str, CircuitBreakerGuard] = field(default_factory=dict)


def connect(
    config: Config, clock: Clock | None = None, transport: BaseAdapter | None = None
) -> Clients:
    """Return clients for the neighbours that the settings name.

    A ``transport`` takes the place of the network in tests.
    """
    auth = issuer_client(config.auth_url, clock, transport)
    tokens = service_tokens(auth, config.service, config.client_secret, clock)
    accounts = ServiceClient(
        "accounts",
        config.accounts_url,
        clock=clock,
        policy=BREAKER,
        tokens=tokens,
        transport=transport,
    )
    return Clients(
        key_set=RemoteKeySet(lambda path: auth.get(path).body, config, clock),
        accounts=HTTPAccounts(accounts),
        breakers={each.caller.name: each.caller.breaker for each in (auth, accounts)},
    )


def _recipient(answer: Answer) -> Recipient | None:
    account = answer.body
    try:
        if not account["email"]:
            return None
        name = account["given_name"] or account["username"]
        return Recipient(str(account["email"]), str(name), account["language"])
    except KeyError as error:
        raise BadUpstream("The answer of accounts lacks what was agreed.") from error
