"""Break one promise after the other, in a copy of what a run left on record.

Each fault returns the id of the order that the checker has to name.
"""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import requests

from storage.database import Database
from tests.resilience import worker
from tests.resilience.history import History
from tests.resilience.invariants import CONFIRMED_EVENT, Evidence
from tests.resilience.records import OUTBOX, Addresses, read_records
from tests.resilience.subscriber import FILE, PATH, Subscriber

HISTORY = "history.jsonl"


@dataclass(frozen=True)
class Copy:
    """Hold a copy of a run: its history, and a file for each database."""

    folder: Path

    def change(self, database: str, statement: str, *values: object) -> None:
        """Change a database behind the back of its service."""
        with closing(sqlite3.connect(self.folder / f"{database}.sqlite3")) as connection:
            assert connection.execute(statement, values).rowcount, "nothing was changed"
            connection.commit()

    def damage(self, status: str, database: str, statement: str) -> str:
        """Change what a database holds of an order in a state, and return the order's id."""
        order_id = self.order(status)
        self.change(database, statement, order_id)
        return order_id

    def rewrite(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change each event of the history."""
        events = [json.loads(line) for line in (self.folder / HISTORY).read_text().splitlines()]
        for event in events:
            change(event)
        (self.folder / HISTORY).write_text("".join(f"{json.dumps(event)}\n" for event in events))

    def evidence(self) -> Evidence:
        names = [field.name for field in fields(Addresses)]
        where = {name: f"sqlite:///{self.folder / name}.sqlite3" for name in names}
        with closing(Database(f"sqlite:///{self.folder / FILE}")) as subscriber:
            effects = worker.effects(subscriber)
        history = History.read(self.folder / HISTORY)
        return Evidence(history, read_records(Addresses(**where)), effects)

    def order(self, status: str) -> str:
        """Return the id of an order in a state, one that came as far as its payment."""
        records = self.evidence().records
        orders = records.orders.values()
        return next(o.id for o in orders if o.status == status and o.id in records.payments)


def tell(subscriber: Subscriber, order_id: str, event_id: str | None = None) -> None:
    """Deliver the event of a confirmed order, as the shop's relay does."""
    event = {"id": event_id or f"event-{order_id}", "type": CONFIRMED_EVENT, "version": 1}
    body = {**event, "aggregate_id": order_id, "occurred_at": "", "request_id": None, "data": {}}
    assert requests.post(f"{subscriber.url}{PATH}", json=body, timeout=5).ok


def lose_an_order(copy: Copy) -> str:
    order_id = copy.order("confirmed")
    copy.change("orders", "DELETE FROM orders WHERE id = ?", order_id)
    copy.change("orders", "DELETE FROM order_items WHERE order_id = ?", order_id)
    return order_id


def change_an_acknowledged_total(copy: Copy) -> str:
    return copy.damage(
        "confirmed", "orders", "UPDATE orders SET total_minor = total_minor + 1 WHERE id = ?"
    )


def forget_a_confirmation(copy: Copy) -> str:
    calls = copy.evidence().history.calls
    order_id = next(call.order_id for call in calls if call.status == 201)
    copy.change(
        "orders",
        "DELETE FROM order_transitions WHERE order_id = ? AND target = 'confirmed'",
        order_id,
    )
    return order_id


def capture_twice(copy: Copy) -> str:
    return copy.damage(
        "confirmed",
        "provider",
        "INSERT INTO operations (id, kind, payment_id, order_id, amount_minor, currency,"
        " idempotency_key, created_at) SELECT 'again', kind, payment_id, order_id, amount_minor,"
        " currency, 'again', created_at FROM operations WHERE kind = 'capture' AND order_id = ?",
    )


def capture_too_much(copy: Copy) -> str:
    return change_operations(copy, "confirmed", "capture", "amount_minor = amount_minor + 1")


def refund_too_much(copy: Copy) -> str:
    return change_operations(copy, "cancelled", "refund", "amount_minor = amount_minor + 1")


def lose_a_refund_at_the_provider(copy: Copy) -> str:
    return change_operations(copy, "cancelled", "refund", "order_id = 'nobody'")


def never_take_the_money(copy: Copy) -> str:
    return change_operations(copy, "confirmed", "capture", "order_id = 'nobody'")


def change_operations(copy: Copy, status: str, kind: str, change: str) -> str:
    order_id = copy.order(status)
    statement = f"UPDATE operations SET {change} WHERE kind = ? AND order_id = ?"
    copy.change("provider", statement, kind, order_id)
    return order_id


def charge_for_a_rejected_order(copy: Copy) -> str:
    paid, rejected = copy.order("confirmed"), copy.order("rejected")
    copy.change("provider", "UPDATE operations SET order_id = ? WHERE order_id = ?", rejected, paid)
    return rejected


def sell_what_is_not_there(copy: Copy) -> str:
    copy.change("products", "UPDATE products SET stock = stock + 1 WHERE id = 1")
    return copy.order("confirmed")


def sell_without_goods(copy: Copy) -> str:
    return copy.damage(
        "confirmed", "products", "UPDATE reservations SET status = 'released' WHERE id = ?"
    )


def keep_the_goods_of_a_cancelled_order(copy: Copy) -> str:
    return copy.damage(
        "cancelled", "products", "UPDATE reservations SET status = 'confirmed' WHERE id = ?"
    )


def lose_a_mail(copy: Copy) -> str:
    return copy.damage("confirmed", "subscriber", "DELETE FROM deliveries WHERE aggregate_id = ?")


def send_a_mail_twice(copy: Copy) -> str:
    order_id = copy.order("confirmed")
    with Subscriber(copy.folder) as subscriber:
        tell(subscriber, order_id, "another event")
    return order_id


def congratulate_to_a_rejected_order(copy: Copy) -> str:
    order_id = copy.order("rejected")
    with Subscriber(copy.folder) as subscriber:
        tell(subscriber, order_id)
    return order_id


def leave_an_order_half_way(copy: Copy) -> str:
    return copy.damage("rejected", "orders", "UPDATE orders SET status = 'reserved' WHERE id = ?")


def owe_a_refund(copy: Copy) -> str:
    return copy.damage("cancelled", "orders", "UPDATE orders SET unsettled = 1 WHERE id = ?")


def keep_money_on_hold(copy: Copy) -> str:
    return copy.damage(
        "rejected", "provider", "UPDATE operations SET order_id = ? WHERE kind = 'authorise'"
    )


def leave_a_payment_undecided(copy: Copy) -> str:
    return copy.damage(
        "rejected", "payments", "UPDATE payments SET status = 'pending' WHERE order_id = ?"
    )


def hold_goods_for_ever(copy: Copy) -> str:
    return copy.damage(
        "rejected", "products", "UPDATE reservations SET status = 'held' WHERE id = ?"
    )


def use_a_key_twice(copy: Copy) -> str:
    order_id, other = copy.order("confirmed"), copy.order("cancelled")
    copy.change(
        "orders",
        "UPDATE orders SET idempotency_key ="
        " (SELECT idempotency_key FROM orders WHERE id = ?) WHERE id = ?",
        other,
        order_id,
    )
    return order_id


def answer_a_key_with_two_orders(copy: Copy) -> str:
    order_id, other = copy.order("confirmed"), copy.order("cancelled")
    key = copy.evidence().records.orders[other].idempotency_key
    numbers = {c.number for c in copy.evidence().history.calls if c.order_id == order_id}

    def change(event: dict[str, Any]) -> None:
        if event.get("number") in numbers and event["event"] == "invoke":
            event["key"] = key

    copy.rewrite(change)
    return order_id


def keep_an_event_waiting(copy: Copy) -> str:
    return put_into_outbox(copy, died_at=None)


def bury_an_event(copy: Copy) -> str:
    return put_into_outbox(copy, died_at="2026-01-01 00:00:00")


def put_into_outbox(copy: Copy, died_at: str | None) -> str:
    order_id = copy.order("confirmed")
    columns = "sequence, id, aggregate_id, type, payload, created_at, attempts, next_attempt_at"
    row = "999, 'e', ?, '', '{}', '', 0, ''"
    with closing(sqlite3.connect(copy.folder / "orders.sqlite3")) as connection:
        connection.execute(f"CREATE TABLE IF NOT EXISTS {OUTBOX} ({columns}, died_at, last_error)")
        connection.execute(
            f"INSERT INTO {OUTBOX} ({columns}, died_at) VALUES ({row}, ?)",
            (order_id, died_at),
        )
        connection.commit()
    return order_id


def misbook_a_capture(copy: Copy) -> str:
    return copy.damage(
        "confirmed",
        "payments",
        "UPDATE ledger_entries SET amount_minor = amount_minor - 1 WHERE account = 'sales' AND"
        " posting LIKE (SELECT id FROM payments WHERE order_id = ?) || '%'",
    )


def forget_to_book(copy: Copy) -> str:
    return copy.damage(
        "confirmed",
        "payments",
        "DELETE FROM ledger_entries WHERE"
        " posting LIKE (SELECT id FROM payments WHERE order_id = ?) || '%'",
    )


def go_where_no_edge_leads(copy: Copy) -> str:
    order_id = copy.order("confirmed")
    copy.change(
        "orders",
        "INSERT INTO order_transitions (order_id, source, target, at)"
        " VALUES (?, 'confirmed', 'delivered', '')",
        order_id,
    )
    copy.change("orders", "UPDATE orders SET status = 'delivered' WHERE id = ?", order_id)
    return order_id


def change_a_state_unseen(copy: Copy) -> str:
    return copy.damage("confirmed", "orders", "UPDATE orders SET status = 'shipped' WHERE id = ?")


FAULTS: list[tuple[str, Callable[[Copy], str]]] = [
    ("I1", lose_an_order),
    ("I1", change_an_acknowledged_total),
    ("I1", forget_a_confirmation),
    ("I2", capture_twice),
    ("I2", capture_too_much),
    ("I2", refund_too_much),
    ("I2", lose_a_refund_at_the_provider),
    ("I3", charge_for_a_rejected_order),
    ("I3", never_take_the_money),
    ("I4", sell_what_is_not_there),
    ("I4", sell_without_goods),
    ("I4", keep_the_goods_of_a_cancelled_order),
    ("I5", lose_a_mail),
    ("I5", send_a_mail_twice),
    ("I5", congratulate_to_a_rejected_order),
    ("I6", leave_an_order_half_way),
    ("I6", owe_a_refund),
    ("I6", keep_money_on_hold),
    ("I6", leave_a_payment_undecided),
    ("I6", hold_goods_for_ever),
    ("I7", use_a_key_twice),
    ("I7", answer_a_key_with_two_orders),
    ("I8", keep_an_event_waiting),
    ("I8", bury_an_event),
    ("I9", misbook_a_capture),
    ("I9", forget_to_book),
    ("I10", go_where_no_edge_leads),
    ("I10", change_a_state_unseen),
]
