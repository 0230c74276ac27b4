"""Settle what stopped half-way, from the provider's own record, in the background.

Whoever comes back for a payment or refund finds out what became of it; this is for those that
nobody comes back for.  Nothing is charged here: a pending payment that the record does not have
waits for the order to decide.  A refund was promised when it was claimed, so it is carried on.

Each item is put off before it is worked on, so that several processes share the work and one that
can't be settled keeps no other one waiting.
"""

import logging
from datetime import timedelta
from typing import Final

from . import refunds, repository
from .errors import OperationRefused
from .models import Payment, Refund
from .service import Till, catch_up

BATCH: Final = 50
"""Items of each kind in a turn; more have to wait for the next one."""
MAX_PAUSE: Final = timedelta(seconds=30)
"""Longest time between two looks at the same item; a minute is what anything may take to end."""

logger = logging.getLogger(__name__)


def settle(till: Till) -> None:
    """Hold a batch of each kind of what is unsettled against the provider's record.

    Raises:
        ProviderSilent: it does not answer; the rest of the batch is left for the next turn.
    """
    now = till.clock.now()
    with till.database.read() as session:
        payments = repository.list_due_payments(session, now, BATCH)
        claimed = repository.list_due_refunds(session, now, BATCH)
    for payment in payments:
        if _take(till, payment):
            catch_up(till, payment)
    for refund in claimed:
        if _take(till, refund):
            _carry_on(till, refund)


def _take(till: Till, item: Payment | Refund) -> bool:
    """Put off the next look; False when somebody else has the item."""
    now = till.clock.now()
    # As long again as it has been there, which doubles from look to look.
    age = now - item.created_at
    pause = min(max(age, timedelta(seconds=till.settle_seconds)), MAX_PAUSE)
    with till.database.write() as session:
        return repository.postpone(session, item, now + pause)


def _carry_on(till: Till, refund: Refund) -> None:
    try:
        refunds.carry_on(till, refund)
    except OperationRefused:
        alert = {"alert": "refund_refused", "payment_id": refund.payment_id, "refund_id": refund.id}
        logger.exception("the provider refuses a refund that was promised", extra=alert)
        # It would be refused the next time as well, so somebody has to look at it.
        with till.database.write() as session:
            session.get_one(Refund, refund.id, with_for_update=True).settle_at = None
