"""Reach the neighbours that orders depend on: products and payments.

Pattern: Anti-corruption layer (Evans, Domain-Driven Design, chapter 14): their answers become
this service's values and errors here, and nowhere else.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, NoReturn, Protocol
from urllib.parse import quote

from requests.adapters import BaseAdapter

from chassis.clock import Clock
from chassis.errors import BadUpstream
from chassis.inbound.keyset import KeySet, RemoteKeySet
from chassis.outbound.breaker import BreakerPolicy, CircuitBreakerGuard
from chassis.outbound.client import Answer, ServiceClient
from chassis.outbound.service_tokens import issuer_client, service_tokens
from contracts.money import Money
from messaging import transports
from messaging.outbox import Transport

from .config import Config
from .domain import Line, PricedLine
from .errors import (
    IllegalTransition,
    InsufficientFunds,
    OutOfStock,
    PaymentDeclined,
    RefundExceedsCaptured,
    ReservationLost,
    UnknownCardToken,
    UnknownProduct,
)

REFUSALS = {
    refusal.code: refusal
    for refusal in (
        InsufficientFunds,
        OutOfStock,
        PaymentDeclined,
        RefundExceedsCaptured,
        UnknownCardToken,
        UnknownProduct,
    )
}
# Well below the second that the gateway waits for a cart, which can be shown without offers.
OFFER_SECONDS = 0.5
# What stopped half-way has to end within a minute, so nobody is left unasked for as long as that.
MAX_OPEN_SECONDS = 20.0
# Who is told of orders: the service and, where there is a broker, its queue.
SUBSCRIBER = "notifications"
RESERVATION_GONE = {"reservation_released", "reservation_expired", "reservation_not_found"}


@dataclass(frozen=True, slots=True)
class Offer:
    """Hold what the catalogue says of a product now."""

    product_id: int
    title: str
    price: Money
    stock: int


@dataclass(frozen=True, slots=True)
class Payment:
    """Hold what payments says of a charge."""

    id: str
    status: str
    captured: Money
    refunded: Money


class Products(Protocol):
    """Know the catalogue and hold goods back for orders; every call is safe to repeat."""

    def offers(self, product_ids: Sequence[int]) -> dict[int, Offer]:
        """Return the offers that exist, by product id."""
        ...

    def reserve(self, order_id: str, lines: Sequence[Line]) -> list[PricedLine]:
        """Hold the goods.

        Raises:
            OutOfStock, UnknownProduct, ReservationLost: nothing is held.
        """
        ...

    def confirm(self, order_id: str) -> None:
        """Make the reservation final.

        Raises:
            ReservationLost: it expired or was released.
        """
        ...

    def release(self, order_id: str) -> None:
        """Put held goods back, and refuse a reservation that comes later."""
        ...

    def restock(self, order_id: str) -> None:
        """Put goods of a final reservation back on sale."""
        ...


class Payments(Protocol):
    """Take money for orders; every call is safe to repeat."""

    def authorise(self, order_id: str, user_id: str, amount: Money, token: str) -> Payment:
        """Have the amount set aside; the payment's status may be ``pending``.

        Raises:
            PaymentDeclined, InsufficientFunds, UnknownCardToken: nothing is set aside.
        """
        ...

    def capture(self, payment_id: str) -> Payment:
        """Take what was set aside; once that is done, return the payment as it is by now."""
        ...

    def void(self, order_id: str) -> None:
        """Let go of what was set aside, and refuse a charge that comes later."""
        ...

    def refund(self, payment_id: str, amount: Money | None, key: str) -> Payment:
        """Give back an amount or all that is left.

        Raises:
            RefundExceedsCaptured: less than the amount is left, or nothing at all.
        """
        ...


class HTTPProducts:
    """Reach products over HTTP."""

    def __init__(self, client: ServiceClient, reader: ServiceClient) -> None:
        """Use clients whose base address is the products service.

        The ``reader`` asks for what can be done without, in less time; its breaker is its own, so
        that nobody's checkout suffers from its impatience.
        """
        self._client = client
        self._reader = reader

    def offers(self, product_ids: Sequence[int]) -> dict[int, Offer]:
        """Return the offers that exist, by product id."""
        if not product_ids:
            return {}
        ids = ",".join(map(str, product_ids))
        path = f"/api/v1/products?ids={ids}&limit={len(product_ids)}"
        body = _expect(self._reader.get(path))
        with _readable():
            return {
                item["id"]: Offer(item["id"], item["title"], Money(**item["price"]), item["stock"])
                for item in body["data"]
            }

    def reserve(self, order_id: str, lines: Sequence[Line]) -> list[PricedLine]:
        """Hold the goods."""
        items = [{"product_id": line.product_id, "quantity": line.quantity} for line in lines]
        body = _expect(
            self._client.post(
                "/internal/reservations",
                json={"reservation_id": order_id, "items": items},
                idempotency_key=order_id,
            )
        )
        with _readable():
            return [_priced(item) for item in body["items"]]

    def confirm(self, order_id: str) -> None:
        """Make the reservation final."""
        self._command(order_id, "confirm")

    def release(self, order_id: str) -> None:
        """Put held goods back."""
        self._command(order_id, "release")

    def restock(self, order_id: str) -> None:
        """Put goods of a final reservation back on sale."""
        self._command(order_id, "restock")

    def _command(self, order_id: str, command: str) -> None:
        path = f"/internal/reservations/{quote(order_id)}/{command}"
        _expect(self._client.post(path, idempotency_key=order_id))


class HTTPPayments:
    """Reach payments over HTTP."""

    def __init__(self, client: ServiceClient) -> None:
        """Use a client whose base address is the payments service."""
        self._client = client

    def authorise(self, order_id: str, user_id: str, amount: Money, token: str) -> Payment:
        """Have the amount set aside."""
        body = {
            "order_id": order_id,
            "user_id": user_id,
            "amount": _money_document(amount),
            "token": token,
        }
        return _payment(
            self._client.post("/internal/payments", json=body, idempotency_key=order_id)
        )

    def capture(self, payment_id: str) -> Payment:
        """Take what was set aside."""
        return self._command(payment_id, "capture", payment_id)

    def void(self, order_id: str) -> None:
        """Let go of what was set aside, and refuse a charge that comes later."""
        body = {"order_id": order_id}
        _expect(self._client.post("/internal/payments/void", json=body, idempotency_key=order_id))

    def refund(self, payment_id: str, amount: Money | None, key: str) -> Payment:
        """Give back an amount or all that is left."""
        body = {"amount": _money_document(amount)} if amount else {}
        return self._command(payment_id, "refund", key, body)

    def _command(
        self, payment_id: str, command: str, key: str, body: Mapping[str, Any] | None = None
    ) -> Payment:
        path = f"/internal/payments/{quote(payment_id)}/{command}"
        return _payment(self._client.post(path, json=body, idempotency_key=key))


@dataclass(frozen=True)
class Clients:
    """Hold everything outside this process that the service talks to.

    ``subscriber`` wants to hear of orders; ``breakers`` are for operators.
    """

    key_set: KeySet
    products: Products
    payments: Payments
    subscriber: Transport
    breakers: Mapping[str, CircuitBreakerGuard] = field(default_factory=dict)


def connect(
    config: Config, clock: Clock | None = None, transport: BaseAdapter | None = None
) -> Clients:
    """Return clients for the neighbours that the settings name.

    A ``transport`` takes the place of the network in tests.
    """
    auth = issuer_client(config.auth_url, clock, transport)
    tokens = service_tokens(auth, config.service, config.client_secret, clock)
    policy = _policy(config.breaker_open_seconds)

    def client(name: str, url: str, read_timeout: float = 1.0) -> ServiceClient:
        return ServiceClient(
            name,
            url,
            clock=clock,
            policy=policy,
            tokens=tokens,
            transport=transport,
            read_timeout=read_timeout,
        )

    products = client("products", config.products_url)
    reader = client("products", config.products_url, read_timeout=OFFER_SECONDS)
    payments = client("payments", config.payments_url)
    breakers = {each.caller.name: each.caller.breaker for each in (auth, products, payments)}
    breakers["products (offers)"] = reader.caller.breaker
    subscriber, way = transports.find_way(
        SUBSCRIBER,
        config.notifications_url,
        config.celery_broker_url,
        tokens=tokens,
        clock=clock,
        transport=transport,
    )
    return Clients(
        key_set=RemoteKeySet(lambda path: auth.get(path).body, config, clock),
        products=HTTPProducts(products, reader),
        payments=HTTPPayments(payments),
        subscriber=subscriber,
        breakers={**breakers, **way},
    )


def _policy(open_seconds: float) -> BreakerPolicy:
    longest = max(open_seconds, MAX_OPEN_SECONDS)
    return BreakerPolicy(open_seconds=open_seconds, max_open_seconds=longest)


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise BadUpstream("A neighbour's answer lacks what was agreed.") from error


def _expect(answer: Answer) -> Any:
    if answer.status >= HTTPStatus.BAD_REQUEST:
        _refuse(answer)
    return answer.body


def _refuse(answer: Answer) -> NoReturn:
    code = answer.body.get("code")
    members = {name: answer.body[name] for name in ("items", "errors") if name in answer.body}
    if code in REFUSALS:
        raise REFUSALS[code](answer.body.get("detail"), **members)
    if code in RESERVATION_GONE:
        raise ReservationLost
    if answer.status == HTTPStatus.CONFLICT:
        raise IllegalTransition(answer.body.get("detail"))
    raise BadUpstream(f"An unexpected refusal: {answer.status} {code}.")


def _priced(item: Mapping[str, Any]) -> PricedLine:
    return PricedLine(item["product_id"], item["quantity"], item["title"], Money(**item["price"]))


def _payment(answer: Answer) -> Payment:
    body = _expect(answer)
    with _readable():
        return Payment(
            body["id"], body["status"], Money(**body["captured"]), Money(**body["refunded"])
        )


def _money_document(amount: Money) -> dict[str, Any]:
    return {"amount_minor": amount.amount_minor, "currency": amount.currency}
