"""Hold a history and the records against what the shop promises.

The invariants and their numbers are those of ``docs/operations.md``.  Check once the shop is quiet.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from services.orders.domain import UNFINISHED
from tests.docs.state_graph import drawn_edges
from tests.resilience.history import History, Outcome
from tests.resilience.records import HELD, SOLD, Records, Till
from tests.resilience.worker import Delivery

PAID = {"confirmed", "shipped", "delivered", "refunded"}
FINAL_PAYMENTS = {"captured", "refunded", "voided", "declined"}
CONFIRMED_EVENT = "order.confirmed"


@dataclass(frozen=True)
class Violation:
    """Say in a sentence which promise was broken, and for which order."""

    invariant: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.sentence}"


@dataclass(frozen=True)
class Evidence:
    """Hold all that is looked at; ``effects`` is None where nobody subscribed to events."""

    history: History
    records: Records
    effects: Sequence[Delivery] | None = None


Check = Callable[[Evidence], Iterator[str]]


def violations(evidence: Evidence) -> list[Violation]:
    """Return every broken promise, in the order of their numbers."""
    return [
        Violation(name, sentence)
        for name, checks in INVARIANTS.items()
        for check in checks
        for sentence in check(evidence)
    ]


def acknowledged_orders_exist(evidence: Evidence) -> Iterator[str]:
    """Find orders that a client was told of and that are not, or not like that, on record."""
    for call in evidence.history.of("order", Outcome.OK):
        order = evidence.records.orders.get(call.order_id or "")
        said = call.body or {}
        if order is None or order.user_id != call.user_id:
            yield f"order {call.order_id} was acknowledged with {call.status} and does not exist"
        elif said["total"] and said["total"]["amount_minor"] != order.total_minor:
            yield f"order {order.id} was acknowledged with another total than it has"
        elif said["status"] == "confirmed" and not _was_confirmed(evidence.records, order.id):
            yield f"order {order.id} was acknowledged as confirmed and never was"


def money_is_taken_once(evidence: Evidence) -> Iterator[str]:
    """Find orders of which more or less than the total was taken, or too much given back."""
    for order_id, till in evidence.records.provider.items():
        order = evidence.records.orders.get(order_id)
        total = order.total_minor if order else None
        if len(till.captures) > 1:
            yield f"order {order_id} was captured {len(till.captures)} times"
        elif till.captured not in {0, total}:
            yield f"order {order_id} was captured with {till.captured} for a total of {total}"
        if till.refunded > till.captured:
            yield f"order {order_id} got {till.refunded} back of {till.captured}"


def payments_agree_with_the_provider(evidence: Evidence) -> Iterator[str]:
    """Find orders of which payments believes something else than the provider has on record."""
    records = evidence.records
    for order_id in records.provider.keys() | records.payments.keys():
        till = records.provider.get(order_id, Till())
        payment = records.payments.get(order_id)
        believed = (payment.captured_minor, payment.refunded_minor) if payment else (0, 0)
        if believed != (till.captured, till.refunded):
            yield (
                f"order {order_id} is captured and refunded with {believed} in payments, "
                f"with {(till.captured, till.refunded)} at the provider"
            )


def money_belongs_to_orders(evidence: Evidence) -> Iterator[str]:
    """Find money that was taken for nothing, and orders that nobody paid."""
    records = evidence.records
    for order_id, till in records.provider.items():
        order = records.orders.get(order_id)
        status = order.status if order else "not there"
        if till.captured > till.refunded and status not in PAID:
            kept = till.captured - till.refunded
            yield f"order {order_id} is {status}, and {kept} of its money was kept"
    for order_id, order in records.orders.items():
        if order.status in PAID and not records.provider.get(order_id, Till()).captures:
            yield f"order {order_id} is {order.status}, and its money was never captured"


def units_add_up(evidence: Evidence) -> Iterator[str]:
    """Find products of which more or fewer units are about than there were."""
    records = evidence.records
    gone: Counter[int] = Counter()
    orders_of = defaultdict(list)
    for order_id, lines in records.lines.items():
        if records.orders[order_id].status in PAID:
            gone.update(lines)
            for product in lines:
                orders_of[product].append(order_id)
    for reservation_id, status in records.reservations.items():
        if status == HELD:
            gone.update(records.reserved.get(reservation_id, {}))
    for product, units in evidence.history.opening.items():
        left = records.shelf.get(product, 0)
        if left < 0 or left + gone[product] != units:
            yield (
                f"product {product}: {left} on sale and {gone[product]} held or sold are not the "
                f"{units} that there were; sold in order {', '.join(orders_of[product]) or 'none'}"
            )


def goods_belong_to_orders(evidence: Evidence) -> Iterator[str]:
    """Find orders that were sold without their goods, and goods that left without an order."""
    records = evidence.records
    for order_id, order in records.orders.items():
        sold = records.reservations.get(order_id) == SOLD
        if order.status in PAID and not (
            sold and records.reserved[order_id] == records.lines[order_id]
        ):
            yield f"order {order_id} is {order.status} without its goods"
        if order.status not in PAID and sold:
            yield f"order {order_id} is {order.status}, and its goods are gone"
    for order_id in records.reservations.keys() - records.orders.keys():
        if records.reservations[order_id] in {HELD, SOLD}:
            yield f"order {order_id} does not exist, and holds goods"


def notified_once(evidence: Evidence) -> Iterator[str]:
    """Find confirmed orders with no effect of their event, or several, and effects of others."""
    if evidence.effects is None:
        return
    told = Counter(e.aggregate_id for e in evidence.effects if e.type == CONFIRMED_EVENT)
    confirmed = {o for o in evidence.records.orders if _was_confirmed(evidence.records, o)}
    for order_id in confirmed | told.keys():
        if told[order_id] != int(order_id in confirmed):
            state = "was" if order_id in confirmed else "was never"
            yield f"order {order_id} {state} confirmed, and {told[order_id]} notifications say so"


def everything_ended(evidence: Evidence) -> Iterator[str]:
    """Find orders that stopped half-way, or still hold money or goods of somebody."""
    records = evidence.records
    for order_id, order in records.orders.items():
        if order.status in UNFINISHED:
            yield f"order {order_id} is still {order.status}"
        elif order.unsettled or order.owed:
            yield f"order {order_id} still owes {order.owed}"
        elif records.provider.get(order_id, Till()).on_hold:
            yield f"order {order_id} is {order.status}, and its money is still on hold"
        elif records.reservations.get(order_id) == HELD:
            yield f"order {order_id} is {order.status}, and its goods are still held"
    for order_id, payment in records.payments.items():
        if payment.status not in FINAL_PAYMENTS:
            yield f"the payment of order {order_id} is still {payment.status}"


def key_places_one_order(evidence: Evidence) -> Iterator[str]:
    """Find keys under which several orders were placed, on record or in answers."""
    placed: dict[tuple[str, str], set[str]] = defaultdict(set)
    for order in evidence.records.orders.values():
        if order.idempotency_key is not None:
            placed[order.user_id, order.idempotency_key].add(order.id)
    for call in evidence.history.of("order", Outcome.OK):
        placed[call.user_id, call.key or ""].add(call.order_id or "")
    for (user_id, key), orders in placed.items():
        if len(orders) > 1:
            yield f"key {key} of {user_id} placed the orders {', '.join(sorted(orders))}"


def queues_are_empty(evidence: Evidence) -> Iterator[str]:
    """Find events that were never delivered."""
    for event in evidence.records.outbox:
        state = "is a dead letter" if event.dead else "waits in the outbox"
        yield f"event {event.id} of order {event.aggregate_id} {state}"


def books_balance(evidence: Evidence) -> Iterator[str]:
    """Find postings that don't sum to zero, and orders whose money the books don't know."""
    postings: Counter[str] = Counter()
    booked: Counter[str] = Counter()
    for entry in evidence.records.ledger:
        postings[entry.posting] += entry.amount_minor
        if entry.account == "provider_receivable":
            # The name of a posting begins with that of its payment.
            booked[entry.posting.partition(":")[0]] += entry.amount_minor
    orders = {payment.id: order_id for order_id, payment in evidence.records.payments.items()}
    for posting, balance in postings.items():
        if balance:
            order_id = orders.get(posting.partition(":")[0])
            yield f"posting {posting} of order {order_id} is off by {balance}"
    for payment_id, order_id in orders.items():
        till = evidence.records.provider.get(order_id, Till())
        if booked[payment_id] != till.captured - till.refunded:
            yield f"order {order_id} is booked with {booked[payment_id]}, unlike at the provider"


def paths_are_drawn(evidence: Evidence) -> Iterator[str]:
    """Find orders that went a way that the documented graph does not have."""
    edges = drawn_edges() | {(None, "pending")}
    for order_id, order in evidence.records.orders.items():
        path = evidence.records.paths.get(order_id, [])
        for source, target in path:
            if (source, target) not in edges:
                yield f"order {order_id} went from {source} to {target}"
        linked = all(before[1] == after[0] for before, after in pairwise(path))
        if not path or path[0][0] is not None or not linked or path[-1][1] != order.status:
            yield f"order {order_id} is {order.status}, and its record of states ends elsewhere"


def _was_confirmed(records: Records, order_id: str) -> bool:
    return any(target == "confirmed" for _, target in records.paths.get(order_id, ()))


INVARIANTS: dict[str, tuple[Check, ...]] = {
    "I1": (acknowledged_orders_exist,),
    "I2": (money_is_taken_once, payments_agree_with_the_provider),
    "I3": (money_belongs_to_orders,),
    "I4": (units_add_up, goods_belong_to_orders),
    "I5": (notified_once,),
    "I6": (everything_ended,),
    "I7": (key_places_one_order,),
    "I8": (queues_are_empty,),
    "I9": (books_balance,),
    "I10": (paths_are_drawn,),
}
