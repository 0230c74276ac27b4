"""See an order through: reserve, charge, confirm, and undo what a refusal makes void.

Pattern: Saga, orchestrated, with compensations (Garcia-Molina and Salem, 1987; Richardson,
Microservices Patterns, chapter 4).  Every step is safe to repeat, so that an order that stopped
anywhere is simply advanced again: by the buyer's retry or by the reconciler.

The reservation becomes final before the money is captured: an authorisation can be let go of
without a trace, while a capture would have to be refunded if the goods were gone by then.

A neighbour that refuses ends the order.  A neighbour that is away ends it as well, as long as
nothing can have been taken; later steps are repeated until they succeed.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from chassis import crash
from chassis.clock import Clock
from chassis.errors import Conflict, Declined, Invalid, NotAsked, ServiceError
from contracts.money import Money, MoneyError
from storage.database import Database

from . import repository
from .clients import Clients
from .domain import Line, PricedLine, Status, total_of
from .errors import PaymentDeclined, PriceChanged, stored_reason
from .events import Publisher
from .models import Order, OrderItem

# How long an order waits for a provider that is silent and has no record of the charge.
PATIENCE = timedelta(seconds=30)
REFUSALS = (Conflict, Declined, Invalid)
# Of these the buyer gets the same answer again; the rest may turn out otherwise next time.
REMEMBERED = (Conflict, Declined)

logger = logging.getLogger(__name__)


class PaymentUndecided(Exception):
    """Say that the provider has not told yet what became of the charge."""


@dataclass(frozen=True)
class Work:
    """Hold an order while it is worked on, and what the catalogue said of its lines."""

    order: Order
    clients: Clients

    def reserve(self) -> None:
        """Hold the goods and learn their prices."""
        lines = [Line(item.product_id, item.quantity) for item in self.order.items]
        priced = self.clients.products.reserve(self.order.id, lines)
        crash.here("orders:after_reserve_before_record")
        by_product = {line.product_id: line for line in priced}
        for item in self.order.items:
            line = by_product[item.product_id]
            item.title, item.price_minor = line.title, line.price.amount_minor
        self.order.currency = priced[0].price.currency

    def add_up(self) -> None:
        """Learn the total, and refuse to go on at other prices than the buyer saw.

        Raises:
            Invalid: the total is beyond what can be charged.
            PriceChanged: with the new total.
        """
        order = self.order
        lines = [
            PricedLine(item.product_id, item.quantity, item.title or "", self._price(item))
            for item in order.items
        ]
        try:
            total = total_of(lines)
        except MoneyError as error:
            raise Invalid(f"The order can't be added up: {error}") from error
        order.total_minor = total.amount_minor
        if any(item.expected_minor not in {None, item.price_minor} for item in order.items):
            document = {"amount_minor": total.amount_minor, "currency": total.currency}
            raise PriceChanged("Look at the cart again, it has the new prices.", total=document)

    def authorise(self) -> None:
        """Have the money set aside.

        Raises:
            PaymentUndecided: the provider did not answer in time.
        """
        order = self.order
        payment = self.clients.payments.authorise(
            order.id, order.user_id, self._total(), order.card_token or ""
        )
        order.payment_id = payment.id
        if payment.status == "pending":
            raise PaymentUndecided

    def make_final(self) -> None:
        """Keep the goods for good."""
        self.clients.products.confirm(self.order.id)

    def capture(self) -> None:
        """Take the money."""
        self.clients.payments.capture(self.order.payment_id or "")
        crash.here("orders:after_charge_before_record")

    def release(self) -> None:
        """Put held goods back."""
        self.clients.products.release(self.order.id)

    def restock(self) -> None:
        """Put sold goods back on sale."""
        self.clients.products.restock(self.order.id)

    def void(self) -> None:
        """Let go of the money that was set aside, and refuse a charge that comes later."""
        self.clients.payments.void(self.order.id)

    def refund(self) -> None:
        """Give back all of the money that is left."""
        if self.order.payment_id:
            self.clients.payments.refund(self.order.payment_id, None, f"{self.order.id}:cancel")

    def _price(self, item: OrderItem) -> Money:
        return Money(item.price_minor or 0, self.order.currency or "")

    def _total(self) -> Money:
        return Money(self.order.total_minor or 0, self.order.currency or "")


@dataclass(frozen=True)
class Step:
    """Name an action, what undoes it, and the status that is reached with it.

    A ``retriable`` step comes after the point of no return: a neighbour that is away is asked
    again until it answers.
    """

    action: Callable[[Work], None]
    compensation: str | None = None
    reaches: Status | None = None
    retriable: bool = False


STEPS = (
    Step(Work.reserve, compensation="release"),
    Step(Work.add_up, reaches=Status.RESERVED),
    Step(Work.authorise, compensation="void"),
    Step(Work.make_final, compensation="restock", retriable=True),
    Step(Work.capture, compensation="refund", reaches=Status.CONFIRMED, retriable=True),
)
"""The way of an order; a refusal undoes the steps before it, last one first."""

COMPENSATIONS: dict[str, Callable[[Work], None]] = {
    "release": Work.release,
    "void": Work.void,
    "restock": Work.restock,
    "refund": Work.refund,
}

FIRST_STEP = {Status.PENDING: 0, Status.RESERVED: 2, Status.PAYMENT_PENDING: 2}


class Saga:
    """Advance orders; the caller holds the lease of the order that it passes in."""

    def __init__(
        self, database: Database, clients: Clients, clock: Clock, publisher: Publisher
    ) -> None:
        """Work on the orders of ``database`` with the help of ``clients``."""
        self._database = database
        self._clients = clients
        self._clock = clock
        self._publisher = publisher

    def advance(self, order: Order, *, resumed: bool = False) -> None:
        """Carry an order to its end, or to where the provider's word is missing.

        Args:
            order: an order whose lease the caller holds.
            resumed: somebody may have got further with it than its status says.

        Raises:
            Invalid: the order asked for something that does not exist; it is rejected, and its
                idempotency key given back.
            ServiceError: a neighbour is away.  A fresh order is rejected and its key given
                back; a resumed one stays where it is.
        """
        work = Work(order, self._clients)
        for position in range(FIRST_STEP[Status(order.status)], len(STEPS)):
            step = STEPS[position]
            try:
                step.action(work)
            except PaymentUndecided:
                if self._clock.now() - order.created_at < PATIENCE:
                    self._wait_for_payment(order)
                else:
                    silence = PaymentDeclined("The payment provider did not answer.")
                    self._reject(work, STEPS[: position + 1], silence)
                return
            except REFUSALS as refusal:
                self._reject(work, STEPS[:position], refusal)
                return
            except ServiceError as failure:
                self._fail(work, position, failure, resumed=resumed)
                return
            if step.reaches:
                self._reach(order, step.reaches)

    def settle(self, order: Order) -> None:
        """Carry out the compensations that an order owes."""
        left = self._compensate(Work(order, self._clients), order.owed)
        with self._database.write() as session:
            repository.owe(session, order, left, self._clock.now())

    def _reach(self, order: Order, status: Status) -> None:
        changes: dict[Status, dict[str, Any]] = {
            Status.RESERVED: {"total_minor": order.total_minor, "currency": order.currency},
            # The card token has done its work; what is not kept can't leak.
            Status.CONFIRMED: {"payment_id": order.payment_id, "card_token": None},
        }
        with self._database.write() as session:
            if status is Status.RESERVED:
                repository.price(session, order)
            self._move(session, order, status, **changes[status])
        if status is Status.CONFIRMED:
            crash.here("orders:after_confirm_before_publish")
            self._publisher.committed()

    def _wait_for_payment(self, order: Order) -> None:
        if order.status == Status.PAYMENT_PENDING:
            return
        with self._database.write() as session:
            changes = {"payment_id": order.payment_id}
            self._move(session, order, Status.PAYMENT_PENDING, **changes)

    def _fail(self, work: Work, position: int, failure: ServiceError, *, resumed: bool) -> None:
        if resumed:
            raise failure
        if STEPS[position].retriable:
            self._wait_for_payment(work.order)
            return
        # Unless the neighbour was not asked, the step may have taken effect, and is undone too.
        done = position if isinstance(failure, NotAsked) else position + 1
        self._reject(work, STEPS[:done], failure)

    def _reject(self, work: Work, done: Sequence[Step], cause: ServiceError) -> None:
        undo = [step.compensation for step in reversed(done) if step.compensation]
        changes = {
            "owed": self._compensate(work, undo),
            "reason": stored_reason(cause),
            "payment_id": work.order.payment_id,
            "card_token": None,
        }
        remembered = isinstance(cause, REMEMBERED)
        with self._database.write() as session:
            self._move(session, work.order, Status.REJECTED, **changes)
            if not remembered:
                repository.give_key_back(session, work.order)
        self._publisher.committed()
        if not remembered:
            raise cause

    def _move(self, session: Session, order: Order, target: Status, **changes: Any) -> None:
        now = self._clock.now()
        repository.move(session, order, target, now, self._publisher, **changes)

    def _compensate(self, work: Work, names: Sequence[str]) -> list[str]:
        """Carry out compensations and return those that have to be tried again."""
        left = []
        for name in names:
            try:
                COMPENSATIONS[name](work)
            except REFUSALS as refusal:
                # There is nothing to undo (any more), which is what was wanted.
                logger.warning("%s of %s was refused: %s", name, work.order.id, refusal)
            except ServiceError as error:
                logger.warning("%s of %s has to wait: %s", name, work.order.id, error)
                left.append(name)
        return left
