"""Show, change, find and erase accounts: the use cases of this service."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from chassis.clock import Clock
from storage.database import Database

from . import repository
from .clients import Clients
from .domain import CRITERIA
from .errors import AccountNotFound, AccountNotReady, UnknownCriterion
from .models import Account

# Below the half second from which an answer counts as slow at the gateway's breaker.
WAIT_SECONDS: Final = 0.4
LOOK_SECONDS: Final = 0.02
# Fewer than the threads, since the event that they wait for needs one too.
MAX_WAITING: Final = 3


@dataclass(frozen=True)
class Directory:
    """Hold what the use cases work with; ``sleep`` takes seconds."""

    database: Database
    clients: Clients
    clock: Clock
    sleep: Callable[[float], object] = time.sleep
    places: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(MAX_WAITING))


def show_account(directory: Directory, user_id: str) -> Account:
    """Return the account of a signed-in person.

    Raises:
        AccountNotReady: they have just registered, and the news is still on its way.
        AccountNotFound: they were erased.
    """
    account = _find(directory, user_id)
    # Whoever finds all places taken asks again in a second, and holds up nobody.
    if account is None and directory.places.acquire(blocking=False):
        try:
            account = _await(directory, user_id)
        finally:
            directory.places.release()
    if account is None:
        raise AccountNotReady("It will be there in a moment: send the same request again.")
    return account


def change_account(directory: Directory, user_id: str, changes: Mapping[str, Any]) -> Account:
    """Set what somebody says of themselves, and return the account.

    Raises:
        AccountNotReady, AccountNotFound: as :func:`show_account`.
    """
    show_account(directory, user_id)
    with directory.database.write() as session:
        account = repository.find_account(session, user_id, lock=True)
        if account is None:
            raise AccountNotFound
        repository.change_account(account, changes)
        return account


def known_account(directory: Directory, user_id: str) -> Account:
    """Return an account for another service, without waiting for it.

    Raises:
        AccountNotFound: there is none.
    """
    with directory.database.read() as session:
        account = repository.find_account(session, user_id)
    if account is None:
        raise AccountNotFound
    return account


def find_accounts(
    directory: Directory, criterion: str, value: str, limit: int, after: str | None
) -> Sequence[Account]:
    """Return the accounts that an operator looks for, by id.

    Raises:
        UnknownCriterion: accounts are not looked for by that.
    """
    if criterion not in CRITERIA:
        message = f"Accounts are found by {', '.join(CRITERIA)}."
        raise UnknownCriterion(message, criteria=list(CRITERIA))
    with directory.database.read() as session:
        return repository.find_accounts(session, criterion, value, limit, after)


def erase_account(directory: Directory, user_id: str) -> None:
    """Delete all that is known of somebody, first who they sign in as; safe to repeat.

    In between, what is left is deleted when auth's event comes.

    Raises:
        LastOperator: nobody could run the shop without them.
        Unavailable: auth is away; nothing is deleted here.
    """
    directory.clients.users.erase(user_id)
    with directory.database.write() as session:
        repository.erase(session, user_id, directory.clock.now())


def _await(directory: Directory, user_id: str) -> Account | None:
    until = directory.clock.monotonic() + WAIT_SECONDS
    account = None
    while account is None and directory.clock.monotonic() < until:
        directory.sleep(LOOK_SECONDS)
        account = _find(directory, user_id)
    return account


def _find(directory: Directory, user_id: str) -> Account | None:
    with directory.database.read() as session:
        account = repository.find_account(session, user_id)
        if account is None and repository.is_erased(session, user_id):
            raise AccountNotFound("The account was erased.")
        return account
