"""Finish or undo what stopped half-way, in the background.

Orders are leased one by one, so that several reconcilers, and a buyer's retry, never work on the
same one.
"""

import logging

from chassis.errors import ServiceError
from storage import idempotency

from . import repository
from .domain import Status
from .models import IdempotencyRecord
from .service import Shop, resume

BATCH = 50

logger = logging.getLogger(__name__)


def reconcile(shop: Shop) -> int:
    """Go on with the orders that have work left; return of how many none is left.

    A neighbour that was away for a minute leaves thousands of them, and a silent provider hundreds
    that can't be settled yet.  So this goes on from batch to batch until it has seen each once, and
    looks anew for unfinished orders each time.
    """
    began, seen, settled = shop.clock.now(), set[str](), 0
    while True:
        with shop.database.read() as session:
            due = repository.list_unsettled(session, began, BATCH)
        order_ids = [order_id for order_id in due if order_id not in seen]
        if not order_ids:
            return settled
        seen.update(order_ids)
        settled += sum(_reconcile_one(shop, order_id) for order_id in order_ids)


def forget_answers(shop: Shop, life_seconds: float) -> None:
    """Delete the answers that were remembered long enough."""
    with shop.database.write() as session:
        idempotency.forget_older(session, IdempotencyRecord, shop.clock.now(), life_seconds)


def tidy(shop: Shop, life_seconds: float) -> None:
    """Go on with what is left of orders, and forget old answers: the service's chore."""
    reconcile(shop)
    forget_answers(shop, life_seconds)


def _reconcile_one(shop: Shop, order_id: str) -> bool:
    with shop.database.write() as session:
        if not repository.claim(session, order_id, shop.clock.now()):
            return False
        order = repository.get_order(session, order_id, None)
    try:
        if order.owed:
            shop.saga.settle(order)
        else:
            resume(shop, order)
    except ServiceError as error:
        logger.warning("%s has to wait: %s", order_id, error)
    if order.status == Status.PAYMENT_PENDING:
        with shop.database.write() as session:
            repository.give_back(session, order, shop.clock.now())
    return not order.unsettled
