"""Keep the books: every movement of money is a posting whose entries sum to zero.

Pattern: Accounting Transaction (Fowler, Analysis Patterns, 6.2), known as double-entry
bookkeeping.  Amounts are integers of the minor unit.  An authorisation moves nothing and so has
no posting.  Each function writes in the caller's transaction, with the state that it belongs to.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from contracts.money import Money

from .errors import UnbalancedPosting
from .models import LedgerEntry


class Account(StrEnum):
    """Name the accounts of the books."""

    PROVIDER = "provider_receivable"
    SALES = "sales"
    REFUNDS = "refunds"


def post_capture(session: Session, posting: str, amount: Money, at: datetime) -> None:
    """Book that the provider owes us what it took from a card."""
    change = amount.amount_minor
    post(session, posting, {Account.PROVIDER: change, Account.SALES: -change}, amount.currency, at)


def post_refund(session: Session, posting: str, amount: Money, at: datetime) -> None:
    """Book that the provider gave a part of it back."""
    change = amount.amount_minor
    post(
        session, posting, {Account.REFUNDS: change, Account.PROVIDER: -change}, amount.currency, at
    )


def post(
    session: Session, posting: str, changes: Mapping[Account, int], currency: str, at: datetime
) -> None:
    """Write one posting, in one currency; its name keeps it from being written twice.

    Raises:
        UnbalancedPosting: the changes don't sum to zero.
    """
    # The database can't hold several rows against each other, so this is done before they exist.
    if sum(changes.values()) != 0:
        raise UnbalancedPosting(f"The entries of {posting} don't sum to zero.")
    rows = [
        {
            "posting": posting,
            "account": account,
            "currency": currency,
            "amount_minor": change,
            "created_at": at,
        }
        for account, change in changes.items()
    ]
    session.execute(insert(LedgerEntry), rows)


def trial_balance(session: Session) -> dict[tuple[str, str], int]:
    """Return the balance of each currency and account; those of a currency sum to zero."""
    entry = LedgerEntry
    balances = (
        select(entry.currency, entry.account, func.sum(entry.amount_minor))
        .group_by(entry.currency, entry.account)
        .order_by(entry.currency, entry.account)
    )
    # PostgreSQL sums 64-bit integers to a decimal.
    return {(currency, account): int(sum_) for currency, account, sum_ in session.execute(balances)}


def unbalanced_postings(session: Session) -> list[str]:
    """Return the postings whose entries don't sum to zero; any is a defect."""
    entry = LedgerEntry
    unbalanced = (
        select(entry.posting)
        .group_by(entry.posting, entry.currency)
        .having(func.sum(entry.amount_minor) != 0)
    )
    return list(session.scalars(unbalanced))
