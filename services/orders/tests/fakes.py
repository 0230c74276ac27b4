"""Stand in for products, payments and a subscriber, by the rules that the real ones keep."""

import queue
import threading
from dataclasses import dataclass, replace

from chassis.errors import Unavailable
from contracts.money import Money
from services.orders.clients import Offer, Payment
from services.orders.domain import PricedLine
from services.orders.errors import (
    IllegalTransition,
    OutOfStock,
    PaymentDeclined,
    RefundExceedsCaptured,
    ReservationLost,
    UnknownCardToken,
    UnknownProduct,
)


@dataclass
class Reservation:
    lines: dict[int, int]
    status: str = "held"


class FakeProducts:
    """Keep stock in memory."""

    def __init__(self):
        self.catalogue = {
            1: Offer(1, "Erlenmeyer flask", Money(1999), 10),
            2: Offer(2, "Potion of patience", Money(10), 10),
        }
        self.reservations = {}
        self.away = set()
        self.failure = Unavailable
        self._lock = threading.Lock()

    def stock(self, product_id):
        return self.catalogue[product_id].stock

    def set_price(self, product_id, amount_minor):
        self.catalogue[product_id] = replace(self.catalogue[product_id], price=Money(amount_minor))

    def offers(self, product_ids):
        self._answer("offers")
        return {key: self.catalogue[key] for key in product_ids if key in self.catalogue}

    def reserve(self, order_id, lines):
        self._answer("reserve")
        with self._lock:
            known = self.reservations.get(order_id)
            if known and known.status != "held":
                raise ReservationLost
            if not known:
                self._hold(order_id, {line.product_id: line.quantity for line in lines})
            held = self.reservations[order_id].lines
            return [
                PricedLine(key, held[key], self.catalogue[key].title, self.catalogue[key].price)
                for key in sorted(held)
            ]

    def confirm(self, order_id):
        self._answer("confirm")
        reservation = self.reservations[order_id]
        if reservation.status not in {"held", "confirmed"}:
            raise ReservationLost
        reservation.status = "confirmed"

    def release(self, order_id):
        self._answer("release")
        self._put_back(order_id, "held", "released")

    def restock(self, order_id):
        self._answer("restock")
        self._put_back(order_id, "confirmed", "restocked")

    def _hold(self, order_id, wanted):
        if unknown := [key for key in wanted if key not in self.catalogue]:
            raise UnknownProduct(f"There is no product {unknown[0]}.")
        short = [key for key, quantity in wanted.items() if self.stock(key) < quantity]
        if short:
            raise OutOfStock(items=[{"product_id": key} for key in short])
        self._move(wanted, -1)
        self.reservations[order_id] = Reservation(wanted)

    def _put_back(self, order_id, source, target):
        with self._lock:
            reservation = self.reservations.setdefault(order_id, Reservation({}, target))
            if reservation.status == source:
                self._move(reservation.lines, 1)
                reservation.status = target
            elif reservation.status != target:
                raise IllegalTransition

    def _move(self, lines, sign):
        for key, quantity in lines.items():
            offer = self.catalogue[key]
            self.catalogue[key] = replace(offer, stock=offer.stock + sign * quantity)

    def _answer(self, call):
        if call in self.away:
            raise self.failure("products is away")


class FakePayments:
    """Take money in memory, by the card tokens of the stand-in provider."""

    def __init__(self):
        self.by_order = {}
        self.charges = 0
        self.away = set()
        self.failure = Unavailable
        self.decided = False
        self.amounts = {}
        self.refund_keys = {}

    def authorise(self, order_id, user_id, amount, token):
        self._answer("authorise")
        if token == "tok_declined":
            raise PaymentDeclined
        if not token.startswith("tok_"):
            raise UnknownCardToken
        if self.voided(order_id):
            raise IllegalTransition
        pending = token == "tok_hang" and not self.decided
        if order_id not in self.by_order:
            self.charges += 1
            self.by_order[order_id] = self._payment(order_id, amount)
        payment = self.by_order[order_id]
        return replace(payment, status="pending") if pending else payment

    def capture(self, payment_id):
        self._answer("capture")
        return self._change(payment_id, status="captured", captured=self.amounts[payment_id])

    def void(self, order_id):
        self._answer("void")
        payment = self.by_order.get(order_id) or self._payment(order_id, Money(0))
        if payment.status == "captured":
            raise IllegalTransition
        self.by_order[order_id] = replace(payment, status="voided")

    def voided(self, order_id):
        return order_id in self.by_order and self.by_order[order_id].status == "voided"

    def refund(self, payment_id, amount, key):
        self._answer("refund")
        payment = self._find(payment_id)
        if key in self.refund_keys:
            return payment
        left = payment.captured.minus(payment.refunded)
        wanted = amount or left
        if not 0 < wanted.amount_minor <= left.amount_minor:
            raise RefundExceedsCaptured
        self.refund_keys[key] = wanted
        return self._change(payment_id, refunded=payment.refunded.plus(wanted))

    def _payment(self, order_id, amount):
        payment = Payment(f"pay_{order_id}", "authorised", Money(0), Money(0))
        self.amounts[payment.id] = amount
        return payment

    def _find(self, payment_id):
        return next(payment for payment in self.by_order.values() if payment.id == payment_id)

    def _change(self, payment_id, **changes):
        order_id = next(key for key, payment in self.by_order.items() if payment.id == payment_id)
        self.by_order[order_id] = replace(self.by_order[order_id], **changes)
        return self.by_order[order_id]

    def _answer(self, call):
        if call in self.away:
            raise self.failure("payments is away")


class FakeSubscriber:
    """Take events, or raise ``error``."""

    def __init__(self):
        self.taken = queue.Queue()
        self.error = None

    def deliver(self, envelope):
        if self.error:
            raise self.error
        self.taken.put(envelope)

    def next(self):
        return self.taken.get(timeout=5)
