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
from .errors import IllegalTransition, RefundExceedsCaptured
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

    def refuse() -> StoredAnswer | None:
        try:
            _check_refundable(shop, wanted)
        except Conflict as refusal:
            return refusal_answer(refusal)
        return None

    def refund() -> StoredAnswer:
        try:
            order, payment = _refund(shop, wanted)
        except Conflict as refusal:
            return refusal_answer(refusal)
        document = {**order_document(order), "payment": _payment_document(payment)}
        return StoredAnswer(200, {"Content-Type": JSON_TYPE}, json.dumps(document).encode())

    # An order that can't be found must not use the key up.
    show_order(shop, wanted.order_id, None)
    return run_once(shop.database, wanted.request, refund, shop.clock, refuse)


def _check_refundable(shop: Shop, wanted: Refund) -> None:
    order = show_order(shop, wanted.order_id, None)
    if order.status in (*SENT, Status.REFUNDED):
        return
    if order.status != Status.CONFIRMED:
        raise IllegalTransition(f"An order that is {order.status} can't be refunded.")
    total = order.total_minor or 0
    whole = wanted.amount is None or wanted.amount.amount_minor >= total
    # More than is left is for payments to refuse, which knows better what is on its way back.
    if whole or wanted.amount == _left_of(_look_up(shop, order)):
        raise IllegalTransition("Nothing would be left of a confirmed order: cancel it instead.")


def _refund(shop: Shop, wanted: Refund) -> tuple[Order, Payment]:
    order = show_order(shop, wanted.order_id, None)
    # A digest, because the parts together may be longer than a key can be.
    key = idempotency.fingerprint(wanted.order_id, wanted.operator_id, wanted.key)
    try:
        payment = shop.clients.payments.refund(order.payment_id or "", wanted.amount, key)
    except RefundExceedsCaptured:
        # The last refund may have gone through without this service hearing of it.
        payment = _look_up(shop, order)
        if wanted.amount or order.status not in SENT or _left_of(payment).amount_minor:
            raise
    if not _left_of(payment).amount_minor:
        order = _close(shop, order.id)
    return order, payment


def _close(shop: Shop, order_id: str) -> Order:
    """End an order of whose payment nothing is left, from whatever state it is in by now.

    One that was not sent is cancelled: refunds at the same moment took, part by part, what each
    of them would have left.
    """
    with shop.database.write() as session:
        order = repository.get_order(session, order_id, None, lock=True)
        now, changes = shop.clock.now(), {}
        if order.status == Status.CONFIRMED:
            changes = {"owed": ["restock"], "claimed_until": repository.lease(now)}
        elif order.status not in SENT:
            return order
        target = Status.CANCELLED if changes else Status.REFUNDED
        repository.move(session, order, target, now, shop.publisher, **changes)
    shop.publisher.committed()
    if changes:
        shop.saga.settle(order)
    return order


def _look_up(shop: Shop, order: Order) -> Payment:
    # What was captured once is only shown by doing it again.
    return shop.clients.payments.capture(order.payment_id or "")


def _left_of(payment: Payment) -> Money:
    return payment.captured.minus(payment.refunded)


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
