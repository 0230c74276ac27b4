"""Sum up what an operator watches of payments."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from chassis.outbound.breaker import CircuitBreakerGuard

from . import ledger, repository
from .domain import Status
from .service import Till


@dataclass(frozen=True, slots=True)
class Backlog:
    """Count what waits to be settled; the age of the oldest is in seconds, None without any."""

    count: int = 0
    oldest_age_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Balance:
    """Hold the balance of an account in minor units, debits above zero."""

    account: str
    currency: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Operations:
    """Hold one look; ``ledger_sum_minor`` adds up all accounts and is zero in good books.

    The breakers are by the name of what stands behind them.
    """

    pending: Backlog
    authorised: Backlog
    unfinished_refunds: Backlog
    ledger: list[Balance]
    ledger_sum_minor: int
    unbalanced_postings: list[str]
    breakers: dict[str, dict[str, str]]
    service: str = "payments"


def look(till: Till, breakers: Iterable[CircuitBreakerGuard]) -> Operations:
    """Return how things stand now."""
    now = till.clock.now()
    with till.database.read() as session:
        unsettled = repository.count_unsettled(session)
        refunds = repository.count_unfinished_refunds(session)
        balances = [
            Balance(account, currency, amount_minor)
            for (currency, account), amount_minor in ledger.trial_balance(session).items()
        ]
        unbalanced = ledger.unbalanced_postings(session)
    return Operations(
        pending=_backlog(now, *unsettled.get(Status.PENDING, (0, None))),
        authorised=_backlog(now, *unsettled.get(Status.AUTHORISED, (0, None))),
        unfinished_refunds=_backlog(now, *refunds),
        ledger=balances,
        ledger_sum_minor=sum(balance.amount_minor for balance in balances),
        unbalanced_postings=unbalanced,
        breakers={guard.name: {"state": guard.state.value} for guard in breakers},
    )


def _backlog(now: datetime, count: int, oldest: datetime | None) -> Backlog:
    return Backlog(count, round((now - oldest).total_seconds(), 3) if oldest else None)
