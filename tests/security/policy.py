"""Say who may call each operation of the shop: the table that all matrices follow.

An operation that is missing here, or no longer served, fails ``test_policy.py``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import pytest

from tests.e2e.shopper import ADDRESS

UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}


class Access(Enum):
    """Say who is let in."""

    PUBLIC = auto()
    """Everybody; whoever signs in there shows what they know in the body."""
    USER = auto()
    """Whoever is signed in; what they see and change is theirs."""
    OWNER = auto()
    """Whoever owns the object that is named, and operators; to others it does not exist."""
    OPERATOR = auto()
    """Who runs the shop."""
    SCOPE = auto()
    """Another service that was granted the scope."""
    SIGNED = auto()
    """Whoever signs the body with the secret that was agreed."""


@dataclass(frozen=True, eq=False)
class Operation:
    """Describe one operation and a request that it accepts from whom it is meant for.

    Texts in braces stand for what :meth:`tests.security.world.World.subject` makes; ``after`` is
    the command that brings it into the state which this operation needs.
    """

    service: str
    method: str
    path: str
    access: Access
    status: int = 200
    query: str = ""
    body: Mapping[str, Any] | None = None
    after: str = ""
    tolerant: bool = False
    """Members that it does not know are passed over, as whoever tells may know more."""
    any_id: bool = False
    """Whatever text stands in the path is a name here."""

    def __str__(self) -> str:
        return f"{self.service} {self.method} {self.path}"

    @property
    def parameters(self) -> list[str]:
        """Return the names in the path."""
        return re.findall(r"{(\w+)}", self.path)

    @property
    def unsafe(self) -> bool:
        return self.method in UNSAFE

    @property
    def internal(self) -> bool:
        """Tell what only other services may reach."""
        return self.path.startswith("/internal/")


MONEY = {"amount_minor": 100, "currency": "USD"}
LOG_IN = {"username": "alice", "password": "alice"}
PASSWORDS = {"current_password": "{password}", "new_password": "{new_password}"}
NEWCOMER = {
    "username": "{new_id}", "email": "{new_id}@example.com", "password": "twelve quiet owls",
    "language": "en",
}  # fmt: skip
CLIENT = {"client_id": "orders", "client_secret": "{client_secret}"}
PRODUCT = {
    "title": "Elixir of Patience", "brand": "Still", "category": "elixirs", "price": MONEY,
    "description": "Takes a while.", "stock": 7, "tags": ["slow"],
}  # fmt: skip
LINE = {"product_id": 1, "quantity": 1}
ORDER = {"items": [LINE], "payment": {"token": "tok_ok"}, "shipping_address": ADDRESS}
CHARGE = {"order_id": "{new_id}", "user_id": "user-1", "amount": MONEY, "token": "tok_ok"}
NEWS = {
    "id": "{new_id}", "type": "user.imported", "version": 1, "aggregate_id": "{new_id}",
    "occurred_at": "2030-01-01T00:00:00+00:00", "request_id": "request-1",
    "data": {"user_id": "{new_id}", "username": "carol", "email": None, "language": None},
}  # fmt: skip
CHANGES = {
    "given_name": "Alice", "family_name": "Anders", "language": "de-AT", "addresses": [ADDRESS],
}  # fmt: skip
TOLD = {
    "id": "{new_id}", "type": "order.confirmed", "version": 1, "aggregate_id": "{new_id}",
    "occurred_at": "2026-01-02T03:04:05+00:00", "request_id": "{new_id}",
    "data": {
        "order_id": "{new_id}", "user_id": "user-1", "total": MONEY,
        "items": [{"product_id": 1, "quantity": 1, "title": "Elixir of Patience", "price": MONEY}],
    },
}  # fmt: skip
EVENT = {
    "id": "{new_id}", "type": "payment.authorised", "payment_id": "{payment_id}", **MONEY,
}  # fmt: skip

SYSTEM = ("/healthz", "/readyz", "/metrics", "/openapi.json")
_A = Access


def _of(service: str, *rows: tuple[Any, ...]) -> list[Operation]:
    system = [Operation(service, "GET", path, _A.PUBLIC) for path in SYSTEM]
    return system + [_row(service, *row) for row in rows]


def _row(service: str, call: str, access: Access, rest: Any = None) -> Operation:
    method, _, path = call.partition(" ")
    return Operation(service, method, path, access, **(rest or {}))


OPERATIONS = [
    *_of(
        "auth",
        ("POST /auth", _A.PUBLIC, {"body": LOG_IN}),
        ("POST /api/v1/auth/register", _A.PUBLIC, {"body": NEWCOMER, "status": 201}),
        ("POST /api/v1/auth/login", _A.PUBLIC, {"body": LOG_IN}),
        ("POST /api/v1/auth/refresh", _A.PUBLIC, {"body": {"refresh_token": "{refresh_token}"}}),
        ("POST /api/v1/auth/password", _A.USER, {"body": PASSWORDS}),
        ("GET /api/v1/auth/me", _A.USER),
        ("POST /api/v1/auth/logout", _A.PUBLIC, {"status": 204}),
        ("GET /api/v1/auth/users/{user_id}", _A.OPERATOR),
        ("POST /api/v1/auth/users/{user_id}/disable", _A.OPERATOR),
        ("POST /api/v1/auth/users/{user_id}/enable", _A.OPERATOR, {"after": "disable"}),
        ("PUT /api/v1/auth/users/{user_id}/roles", _A.OPERATOR, {"body": {"roles": ["customer"]}}),
        ("GET /.well-known/jwks.json", _A.PUBLIC),
        ("GET /internal/revocations", _A.PUBLIC),
        ("POST /internal/tokens", _A.PUBLIC, {"body": CLIENT}),
        # Whoever is unknown may have been erased before.
        ("POST /internal/users/{user_id}/erase", _A.SCOPE, {"status": 204, "any_id": True}),
    ),
    *_of(
        "accounts",
        ("GET /api/v1/accounts/me", _A.USER),
        ("PATCH /api/v1/accounts/me", _A.USER, {"body": CHANGES}),
        ("DELETE /api/v1/accounts/me", _A.USER, {"status": 204}),
        ("GET /api/v1/accounts/me/export", _A.USER),
        ("GET /api/v1/accounts/{criterion}/{value}", _A.OPERATOR, {"any_id": True}),
        ("GET /internal/accounts/{user_id}", _A.SCOPE),
        (
            "POST /internal/events",
            _A.SCOPE,
            {"body": NEWS, "status": 204, "tolerant": True},
        ),
    ),
    *_of(
        "greetings",
        ("GET /greet/{name}", _A.PUBLIC, {"any_id": True}),
        ("GET /greet/language/{code}/{name}", _A.PUBLIC, {"any_id": True}),
        ("GET /api/hello/{username}", _A.PUBLIC, {"any_id": True}),
        ("GET /api/v1/greetings/languages", _A.PUBLIC),
        ("GET /api/v1/greetings/me", _A.USER),
    ),
    *_of(
        "products",
        ("GET /products", _A.USER),
        ("GET /api/v1/products", _A.PUBLIC),
        ("GET /api/v1/products/categories", _A.PUBLIC),
        ("GET /api/v1/products/{product_id}", _A.PUBLIC),
        ("POST /api/v1/products", _A.OPERATOR, {"body": PRODUCT, "status": 201}),
        ("PATCH /api/v1/products/{product_id}", _A.OPERATOR, {"body": PRODUCT}),
        ("PUT /api/v1/products/{product_id}/stock", _A.OPERATOR, {"body": {"stock": 5000}}),
        # No source is set here, which is found out after everything that matters to access.
        ("POST /api/v1/products/import", _A.OPERATOR, {"status": 409}),
        (
            "POST /internal/reservations",
            _A.SCOPE,
            {"body": {"reservation_id": "{new_id}", "items": [LINE]}, "status": 201},
        ),
        ("GET /internal/reservations/{reservation_id}", _A.SCOPE),
        ("POST /internal/reservations/{reservation_id}/confirm", _A.SCOPE),
        # An id that is not known yet is remembered, so that a late reservation is refused.
        ("POST /internal/reservations/{reservation_id}/release", _A.SCOPE, {"any_id": True}),
        ("POST /internal/reservations/{reservation_id}/restock", _A.SCOPE, {"after": "confirm"}),
        ("GET /internal/operations", _A.SCOPE),
    ),
    *_of(
        "orders",
        ("GET /api/v1/cart", _A.USER),
        ("PUT /api/v1/cart/items/{product_id}", _A.USER, {"body": {"quantity": 1}}),
        ("DELETE /api/v1/cart/items/{product_id}", _A.USER, {"status": 204}),
        ("POST /api/v1/orders", _A.USER, {"body": ORDER, "status": 201}),
        ("GET /api/v1/orders", _A.USER),
        ("GET /api/v1/orders/{order_id}", _A.OWNER),
        ("POST /api/v1/orders/{order_id}/cancel", _A.OWNER),
        ("POST /api/v1/orders/{order_id}/ship", _A.OPERATOR),
        ("POST /api/v1/orders/{order_id}/deliver", _A.OPERATOR, {"after": "ship"}),
        (
            "POST /api/v1/orders/{order_id}/refund",
            _A.OPERATOR,
            {"body": {"amount": MONEY}, "after": "ship"},
        ),
        ("GET /internal/operations", _A.SCOPE),
        ("POST /internal/dead-letters/{event_id}/retry", _A.SCOPE, {"status": 204}),
    ),
    *_of(
        "payments",
        ("POST /internal/payments", _A.SCOPE, {"body": CHARGE, "status": 201}),
        ("POST /internal/payments/{payment_id}/capture", _A.SCOPE),
        ("POST /internal/payments/{payment_id}/void", _A.SCOPE),
        ("POST /internal/payments/void", _A.SCOPE, {"body": {"order_id": "{order_id}"}}),
        (
            "POST /internal/payments/{payment_id}/refund",
            _A.SCOPE,
            {"body": {"amount": MONEY}, "after": "capture"},
        ),
        ("GET /api/v1/payments", _A.OWNER, {"query": "order_id={order_id}"}),
        ("GET /api/v1/payments/{payment_id}", _A.OWNER),
        (
            "GET /api/v1/payments/provider/operations",
            _A.OPERATOR,
            {"query": "order_id={order_id}"},
        ),
        ("POST /api/v1/payments/webhook", _A.SIGNED, {"body": EVENT}),
        ("GET /internal/operations", _A.SCOPE),
    ),
    *_of(
        "notifications",
        ("POST /internal/events", _A.SCOPE, {"body": TOLD, "status": 204, "tolerant": True}),
        ("GET /internal/operations", _A.SCOPE),
        ("POST /internal/dead-letters/{event_id}/retry", _A.SCOPE, {"status": 204}),
    ),
    *_of(
        "gateway",
        ("GET /", _A.PUBLIC),
        ("GET /status", _A.PUBLIC),
        ("GET /docs", _A.PUBLIC),
        ("GET /static/{filename}", _A.PUBLIC),
    ),
]
SERVED = [operation for operation in OPERATIONS if operation.service != "gateway"]
PROTECTED = [o for o in SERVED if o.access not in {Access.PUBLIC, Access.SIGNED}]
JSON_TAKING = [operation for operation in SERVED if operation.body is not None]
CHANGING = [operation for operation in SERVED if operation.unsafe]
AT_THE_GATEWAY = [o for o in SERVED if not o.internal and o.path not in SYSTEM]


def each(operations: list[Operation]) -> pytest.MarkDecorator:
    """Run a test once for each operation, under its name."""
    return pytest.mark.parametrize("operation", operations, ids=str)


def allowed(*access: Access) -> list[Operation]:
    """Return the operations of the services that are open to these."""
    return [operation for operation in SERVED if operation.access in access]
