"""Cancel, ship, deliver and refund orders: what happens after they are confirmed."""

import json
from dataclasses import dataclass
from typing import Any

from chassis.errors import Conflict
from contracts.money import Money
from storage import idempotency
from storage.idempotency import StoredAnswer

from . import repository
from .answers import JSON_TYPE, money_of, order_document, refusal_answer
from .clients import Payment
from .domain import Status
from .errors import IllegalTransition
from .models import Order
from .once import run_once
from .service import Shop, show_order

SENT = (Status.SHIPPED, Status.DELIVERED)


@dataclass(frozen=True)
class Refund:
    """Ask for money back; without an ``amount`` for all that is left."""

    operator_id: str
    order_id: str
    amount: Money | None
    key: str

    @property
    def request(self) -> idempotency.Request:
        """Return what tells this request from others."""
        amount = money_of(self.amount) if self.amount else None
        digest = idempotency.fingerprint("refund", self.order_id, amount)
        return idempotency.Request(self.operator_id, self.key, digest)


def cancel_order(shop: Shop, order_id: str, user_id: str | None) -> Order:
    """Cancel a confirmed order: the money goes back in full, the goods back on sale.

    Both happen at once where the neighbours answer, else as soon as they do.
    """
    changes = {
        "owed": ["refund", "restock"],
        "claimed_until": repository.lease(shop.clock.now()),
    }
    order = _move(shop, order_id, user_id, Status.CANCELLED, **changes)
    shop.saga.settle(order)
    return order


def ship_order(shop: Shop, order_id: str) -> Order:
    """Note that a confirmed order left the house."""
    return _move(shop, order_id, None, Status.SHIPPED)


def deliver_order(shop: Shop, order_id: str) -> Order:
    """Note that a shipped order arrived."""
    return _move(shop, order_id, None, Status.DELIVERED)


def refund_order(shop: Shop, wanted: Refund) -> tuple[StoredAnswer, bool]:
    """Give money of a sent order back, without restocking; return the answer and if it is a replay.

    When nothing is left the order is refunded; a part leaves its state as it is, and can also be
    given back before the order is sent.
    """

    def refund() -> StoredAnswer:
        try:
            order, payment = _refund(shop, wanted)
        except Conflict as refusal:
            return refusal_answer(refusal)
        document = {**order_document(order), "payment": _payment_document(payment)}
        return StoredAnswer(200, {"Content-Type": JSON_TYPE}, json.dumps(document).encode())

    # An order that can't be found must not use the key up.
    show_order(shop, wanted.order_id, None)
    return run_once(shop.database, wanted.request, refund, shop.clock)


def _refund(shop: Shop, wanted: Refund) -> tuple[Order, Payment]:
    order = show_order(shop, wanted.order_id, None)
    _check_refundable(order, wanted.amount)
    # A digest, because the parts together may be longer than a key can be.
    key = idempotency.fingerprint(wanted.order_id, wanted.operator_id, wanted.key)
    payment = shop.clients.payments.refund(order.payment_id or "", wanted.amount, key)
    if payment.refunded == payment.captured and order.status in SENT:
        order = _move(shop, wanted.order_id, None, Status.REFUNDED)
    return order, payment


def _check_refundable(order: Order, amount: Money | None) -> None:
    if order.status in (*SENT, Status.REFUNDED):
        return
    part = amount is not None and amount.amount_minor < (order.total_minor or 0)
    if order.status != Status.CONFIRMED or not part:
        raise IllegalTransition(f"An order that is {order.status} can't be refunded like this.")


def _payment_document(payment: Payment) -> dict[str, Any]:
    return {
        "id": payment.id,
        "status": payment.status,
        "captured": money_of(payment.captured),
        "refunded": money_of(payment.refunded),
    }


def _move(shop: Shop, order_id: str, user_id: str | None, target: Status, **changes: Any) -> Order:
    with shop.database.write() as session:
        order = repository.get_order(session, order_id, user_id, lock=True)
        repository.move(session, order, target, shop.clock.now(), shop.publisher, **changes)
    shop.publisher.committed()
    return order
