"""Take the steps of an order in another order than the shop's, from outside and inside (142)."""

import uuid
from collections.abc import Iterator
from dataclasses import asdict

import pytest

from services.orders.domain import EDGES, Status
from tests.e2e.shopper import Shopper
from tests.resilience.proof import Proof
from tests.resilience.records import Till, read_records

pytestmark = pytest.mark.e2e

WAYS = {
    Status.PAYMENT_PENDING: ("tok_hang_after_charge", ()),
    Status.REJECTED: ("tok_declined", ()),
    Status.CONFIRMED: ("tok_ok", ()),
    Status.CANCELLED: ("tok_ok", ("cancel",)),
    Status.SHIPPED: ("tok_ok", ("ship",)),
    Status.DELIVERED: ("tok_ok", ("ship", "deliver")),
    Status.REFUNDED: ("tok_ok", ("ship", "refund")),
}
"""The card and the commands that bring an order into each state."""
COMMANDS = {
    "cancel": Status.CANCELLED,
    "ship": Status.SHIPPED,
    "deliver": Status.DELIVERED,
    "refund": Status.REFUNDED,
}
SKIPS = [
    (status, command)
    for status in WAYS
    for command, target in COMMANDS.items()
    if target not in EDGES[status]
]
MONEY = {"amount_minor": 1, "currency": "USD"}
CHARGE = {"order_id": "{order}", "user_id": "{user}", "amount": MONEY, "token": "tok_ok"}
INSIDE = [
    (Status.PAYMENT_PENDING, "payments", "/internal/payments/{payment}/capture", None),
    (Status.PAYMENT_PENDING, "payments", "/internal/payments/{payment}/refund", {}),
    (Status.PAYMENT_PENDING, "payments", "/internal/payments", CHARGE),
    (Status.PAYMENT_PENDING, "products", "/internal/reservations/{order}/restock", None),
    (Status.REJECTED, "payments", "/internal/payments/{payment}/capture", None),
    (Status.REJECTED, "payments", "/internal/payments/{payment}/refund", {}),
    (Status.REJECTED, "products", "/internal/reservations/{order}/confirm", None),
    (Status.CONFIRMED, "payments", "/internal/payments", CHARGE),
    (Status.CONFIRMED, "payments", "/internal/payments/void", {"order_id": "{order}"}),
    (Status.CONFIRMED, "products", "/internal/reservations/{order}/release", None),
    (Status.CANCELLED, "payments", "/internal/payments", CHARGE),
    (Status.CANCELLED, "payments", "/internal/payments/{payment}/refund", {"amount": MONEY}),
    (Status.CANCELLED, "products", "/internal/reservations/{order}/confirm", None),
    (Status.REFUNDED, "payments", "/internal/payments/{payment}/refund", {}),
]


class Stage:
    """Hold a shop with an order in each state that has none of them moved on by itself."""

    def __init__(self, proof: Proof) -> None:
        self.proof = proof
        self.operator = Shopper(proof.shop.url).sign_in("admin")
        self.orders = {status: self._order(status) for status in WAYS}
        secret = (proof.shop.data / "secrets" / "orders").read_text().strip()
        credentials = {"client_id": "orders", "client_secret": secret}
        answer = Shopper(proof.shop.url_of("auth")).post("/internal/tokens", json=credentials)
        self.bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def _order(self, status):
        token, commands = WAYS[status]
        answer = self.operator.order([(1, 1)], token=token)
        order_id = answer.json().get("id") or answer.json()["order_id"]
        for command in commands:
            assert self.command(order_id, command).status_code == 200
        assert self.seen(order_id)["status"] == status
        return order_id

    def command(self, order_id, command):
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        path = f"/api/v1/orders/{order_id}/{command}"
        return self.operator.post(path, json={} if command == "refund" else None, headers=headers)

    def inside(self, service, path, body, order_id):
        """Call a service as orders does."""
        payment = read_records(self.proof.addresses).payments[order_id]
        names = {"order": order_id, "payment": payment.id, "user": payment.user_id}
        neighbour = Shopper(self.proof.shop.url_of(service))
        if body is not None:
            body = {
                name: value.format(**names) if isinstance(value, str) else value
                for name, value in body.items()
            }
        headers = {**self.bearer, "Idempotency-Key": uuid.uuid4().hex}
        return neighbour.post(path.format(**names), json=body, headers=headers)

    def seen(self, order_id):
        """Return all that is on record about an order."""
        records = read_records(self.proof.addresses)
        return {
            **records.orders[order_id]._mapping,
            "path": records.paths[order_id],
            "goods": records.reservations.get(order_id),
            "payment": records.payments.get(order_id),
            "provider": asdict(records.provider.get(order_id, Till())),
            "ledger": len(records.ledger),
        }


@pytest.fixture(scope="module")
def stage(tmp_path_factory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("stage") / "shop"
    with Proof(folder, RECONCILE_SECONDS="3600") as proof:
        yield Stage(proof)


@pytest.mark.parametrize(("status", "command"), SKIPS)
def test_command_that_the_state_does_not_allow_changes_nothing(stage, status, command):
    order_id = stage.orders[status]
    before = stage.seen(order_id)

    answer = stage.command(order_id, command)

    assert answer.status_code == 409
    assert stage.seen(order_id) == before


@pytest.mark.parametrize(("status", "service", "path", "body"), INSIDE)
def test_step_that_the_state_does_not_allow_changes_nothing(stage, status, service, path, body):
    order_id = stage.orders[status]
    before = stage.seen(order_id)

    answer = stage.inside(service, path, body, order_id)

    assert answer.status_code == 409, answer.text
    assert stage.seen(order_id) == before


def test_captured_payment_is_not_captured_again(stage):
    order_id = stage.orders[Status.CANCELLED]
    before = stage.seen(order_id)

    answer = stage.inside("payments", "/internal/payments/{payment}/capture", None, order_id)

    assert answer.json()["status"] == "refunded"
    assert stage.seen(order_id) == before
