"""Store accounts; each function is a part of the caller's transaction.

Pattern: Query object (Fowler, Patterns of Enterprise Application Architecture, chapter 13): a
criterion from outside chooses one of the conditions here, and never becomes a part of a statement.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from storage.database import serialise

from .domain import folded
from .models import Account, Address, ErasedUser, OutboxEvent

CONDITIONS: Final[Mapping[str, Callable[[str], ColumnElement[bool]]]] = {
    "id": lambda value: Account.id == value,
    "username": lambda value: Account.folded_username == folded(value),
    "email": lambda value: Account.folded_email == folded(value),
    "family_name": lambda value: Account.folded_family_name == folded(value),
    "city": lambda value: Account.id.in_(
        select(Address.account_id).where(Address.folded_city == folded(value))
    ),
}


def add_account(
    session: Session,
    user_id: str,
    username: str,
    email: str | None,
    language: str | None,
    now: datetime,
) -> Account | None:
    """Add an account; return None when it is there already, or its owner was erased."""
    _lock(session, user_id)
    if find_account(session, user_id) or is_erased(session, user_id):
        return None
    account = Account(
        id=user_id,
        username=username,
        folded_username=folded(username),
        email=email,
        folded_email=folded(email) if email else None,
        language=language,
        created_at=now,
        addresses=[],
    )
    session.add(account)
    return account


def find_account(session: Session, user_id: str, *, lock: bool = False) -> Account | None:
    """Return an account; with ``lock`` it stays as it is until the transaction ends."""
    return session.get(Account, user_id, with_for_update=lock) if _is_storable(user_id) else None


def find_accounts(
    session: Session, criterion: str, value: str, limit: int, after: str | None
) -> Sequence[Account]:
    """Return the accounts that meet one of ``CONDITIONS``, by id, beyond the one in ``after``."""
    if not _is_storable(value):
        return ()
    query = select(Account).where(CONDITIONS[criterion](value))
    if after is not None:
        query = query.where(Account.id > after)
    return session.scalars(query.order_by(Account.id).limit(limit)).all()


def change_account(account: Account, changes: Mapping[str, Any]) -> None:
    """Set the members of an account that ``changes`` has, addresses all together."""
    for name in {"given_name", "family_name", "language"} & changes.keys():
        setattr(account, name, changes[name])
    account.folded_family_name = folded(account.family_name) if account.family_name else None
    if "addresses" in changes:
        account.addresses = [
            # One at the place of another becomes its row, in which what is not said would stay.
            Address(
                **{"line2": None, **address},
                position=position,
                folded_city=folded(address["city"]),
            )
            for position, address in enumerate(changes["addresses"])
        ]


def is_erased(session: Session, user_id: str) -> bool:
    """Tell whether somebody was here and had themselves erased."""
    return session.get(ErasedUser, user_id) is not None


def erase(session: Session, user_id: str, now: datetime) -> None:
    """Delete all that is known of somebody; safe to repeat."""
    _lock(session, user_id)
    # The addresses go with it.
    session.execute(delete(Account).where(Account.id == user_id))
    # An event that waits, or was given up, has a mail address in it.
    session.execute(delete(OutboxEvent).where(OutboxEvent.aggregate_id == user_id))
    session.merge(ErasedUser(id=user_id, erased_at=now))


def _lock(session: Session, user_id: str) -> None:
    """Let nobody else make or erase the account until the transaction ends."""
    serialise(session, f"account of {user_id}")


def _is_storable(text: str) -> bool:
    # PostgreSQL fails at a NUL, which is in nothing that it keeps.
    return "\0" not in text
