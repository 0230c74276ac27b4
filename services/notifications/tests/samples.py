"""Make events as other services publish them."""

import itertools
import uuid

from services.notifications.mailer import read_event

_serial = itertools.count(1)

ORDER = {
    "order_id": "ord_Ny0WHVUu5mqpITnIfdbHfw",
    "user_id": "user-1",
    "items": [
        {"product_id": 1, "quantity": 2, "title": "Erlenmeyer Flask 'Werkzeug'",
         "price": {"amount_minor": 61_725, "currency": "USD"}},
        {"product_id": 7, "quantity": 1, "title": "Elixir of <b>Patience</b>",
         "price": {"amount_minor": 5, "currency": "USD"}},
    ],
    "total": {"amount_minor": 123_455, "currency": "USD"},
}  # fmt: skip
ACCOUNT = {
    "user_id": "user-1", "username": "alice", "email": "alice@example.org",
    "language": "de-AT", "given_name": "Alice",
}  # fmt: skip


def an_event(kind="order.confirmed", *, data=None, **changes):
    """Return an envelope; each has an id and an aggregate of its own."""
    usual = ACCOUNT if kind == "account.opened" else ORDER
    return {
        "id": str(uuid.uuid4()),
        "type": kind,
        "version": 1,
        "aggregate_id": f"aggregate-{next(_serial)}",
        "occurred_at": "2026-01-02T03:04:05.678000+00:00",
        "request_id": None,
        "data": {**usual, **(data or {})},
        **changes,
    }


def read(*args, **changes):
    """Return an event as the mailer reads it."""
    return read_event(an_event(*args, **changes))
