"""Finish or undo what stopped half-way, in the background.

Orders are leased one by one, so that several reconcilers, and a buyer's retry, never work on the
same one.
"""

import logging
import threading

from chassis.errors import ServiceError
from chassis.storage import idempotency

from . import repository
from .domain import Status
from .models import IdempotencyRecord
from .service import Shop, resume

BATCH = 50

logger = logging.getLogger(__name__)


def reconcile(shop: Shop) -> int:
    """Go on with the orders that have work left; return with how many."""
    with shop.database.read() as session:
        order_ids = repository.list_unsettled(session, shop.clock.now(), BATCH)
    return sum(_reconcile_one(shop, order_id) for order_id in order_ids)


def forget_answers(shop: Shop, life_seconds: float) -> None:
    """Delete the answers that were remembered long enough."""
    with shop.database.write() as session:
        idempotency.forget_older(session, IdempotencyRecord, shop.clock.now(), life_seconds)


def run_forever(shop: Shop, pause_seconds: float, life_seconds: float) -> threading.Event:
    """Reconcile and tidy up on a thread of its own until the returned event is set."""
    stop = threading.Event()

    def loop() -> None:
        while not stop.wait(pause_seconds):
            try:
                reconcile(shop)
                forget_answers(shop, life_seconds)
            except ServiceError as error:
                logger.warning("reconciling has to wait: %s", error)
            except Exception:
                # One order that can't be handled must not keep all others from being finished.
                logger.exception("reconciling failed")

    threading.Thread(target=loop, name="reconciler", daemon=True).start()
    return stop


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
    return True
