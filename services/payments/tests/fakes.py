"""Stand in for the provider and for the service that calls this one."""

import itertools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from chassis.clock import Clock
from contracts.money import Money
from services.payments.domain import Kind
from services.payments.errors import (
    InsufficientFunds,
    OperationRefused,
    PaymentDeclined,
    ProviderSilent,
    UnknownCardToken,
)
from services.payments.provider import Instruction, Operation, PaymentProvider

REFUSALS = {"tok_declined": PaymentDeclined, "tok_insufficient_funds": InsufficientFunds}


class FakePaymentProvider:
    """Keep the record in memory; lose answers, or give them all at once, when told to."""

    def __init__(self, clock: Clock) -> None:
        self.record: list[Operation] = []
        self.silent_before: set[Kind] = set()
        self.silent_after: set[Kind] = set()
        self.unreadable = False
        self.rendezvous: threading.Barrier | None = None
        self._clock = clock
        self._serial = itertools.count(1)
        self._lock = threading.Lock()

    def authorise(self, instruction: Instruction, card_token: str) -> Operation:
        if card_token in REFUSALS:
            raise REFUSALS[card_token]
        if card_token != "tok_ok":
            raise UnknownCardToken
        late = self._sum(instruction, Kind.VOID) or self._sum(instruction, Kind.AUTHORISE)
        return self._book(Kind.AUTHORISE, instruction, allowed=not late)

    def capture(self, instruction: Instruction) -> Operation:
        left = self._sum(instruction, Kind.AUTHORISE) - self._sum(instruction, Kind.CAPTURE)
        held = 0 if self._sum(instruction, Kind.VOID) else left
        return self._book(
            Kind.CAPTURE, instruction, allowed=instruction.amount.amount_minor <= held
        )

    def refund(self, instruction: Instruction) -> Operation:
        left = self._sum(instruction, Kind.CAPTURE) - self._sum(instruction, Kind.REFUND)
        return self._book(Kind.REFUND, instruction, allowed=instruction.amount.amount_minor <= left)

    def void(self, instruction: Instruction) -> Operation:
        return self._book(Kind.VOID, instruction, allowed=not self._sum(instruction, Kind.CAPTURE))

    def find_operation(self, idempotency_key: str) -> Operation | None:
        if self.unreadable:
            raise ProviderSilent
        return next((op for op in self.record if op.idempotency_key == idempotency_key), None)

    def operations(self, order_id: str) -> Sequence[Operation]:
        return [operation for operation in self.record if operation.order_id == order_id]

    def _sum(self, instruction: Instruction, kind: Kind) -> int:
        of_payment = (op for op in self.record if op.payment_id == instruction.payment_id)
        return sum(op.amount.amount_minor for op in of_payment if op.kind == kind)

    def _book(self, kind: Kind, instruction: Instruction, *, allowed: bool) -> Operation:
        if kind in self.silent_before:
            raise ProviderSilent
        with self._lock:
            operation = self._once(kind, instruction, allowed=allowed)
        if self.rendezvous:
            self.rendezvous.wait(20)
        if kind in self.silent_after:
            raise ProviderSilent
        return operation

    def _once(self, kind: Kind, instruction: Instruction, *, allowed: bool) -> Operation:
        key = instruction.idempotency_key
        if past := next((op for op in self.record if op.idempotency_key == key), None):
            if (past.kind, past.amount) != (kind, instruction.amount):
                raise OperationRefused
            return past
        if not allowed:
            raise OperationRefused
        operation = Operation(
            id=f"op_{next(self._serial)}",
            kind=kind,
            payment_id=instruction.payment_id,
            order_id=instruction.order_id,
            amount=instruction.amount,
            idempotency_key=key,
            created_at=self._clock.now(),
        )
        self.record.append(operation)
        return operation


def as_provider(fake: FakePaymentProvider) -> PaymentProvider:
    """Have the type checker hold the fake against the Protocol."""
    return fake


class OrdersService:
    """Call payments as orders does."""

    def __init__(self, app: Flask, headers: dict[str, str]) -> None:
        self._app = app
        self._headers = headers
        self._keys = itertools.count(1)

    def authorise(
        self,
        order_id: str = "ord_1",
        *,
        user_id: str = "alice",
        amount: Any = 10000,
        token: str = "tok_ok",
        **more: Any,
    ) -> TestResponse:
        body = {"order_id": order_id, "user_id": user_id, "token": token, **more}
        return self.post("/internal/payments", {**body, "amount": money(amount)})

    def capture(self, payment_id: str) -> TestResponse:
        return self.post(f"/internal/payments/{payment_id}/capture")

    def void(self, payment_id: str) -> TestResponse:
        return self.post(f"/internal/payments/{payment_id}/void")

    def void_order(self, order_id: str) -> TestResponse:
        return self.post("/internal/payments/void", {"order_id": order_id})

    def refund(
        self, payment_id: str, amount: Any = None, *, key: str | None = None
    ) -> TestResponse:
        body = {} if amount is None else {"amount": money(amount)}
        headers = {"Idempotency-Key": key or f"key-{next(self._keys)}"}
        return self.post(f"/internal/payments/{payment_id}/refund", body, headers)

    def captured(self, order_id: str = "ord_1", **charge: Any) -> str:
        """Return the id of a payment that was captured."""
        payment_id: str = self.authorise(order_id, **charge).json["id"]
        self.capture(payment_id)
        return payment_id

    def post(
        self, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> TestResponse:
        return self._app.test_client().post(
            path, json=body, headers={**self._headers, **(headers or {})}
        )


def money(amount: Any) -> Any:
    """Return a money object of an integer; anything else stays as it is."""
    return {"amount_minor": amount, "currency": "USD"} if isinstance(amount, int) else amount


def an_instruction(
    key: str = "pay_1:authorise", *, payment_id: str = "pay_1", amount_minor: int = 10000
) -> Instruction:
    return Instruction(payment_id, "ord_1", Money(amount_minor), key)


def at_once(count: int, call: Callable[[int], Any]) -> list[Any]:
    """Make calls from as many threads, all starting at the same moment."""
    barrier = threading.Barrier(count)

    def start(number: int) -> Any:
        barrier.wait()
        return call(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(start, range(count)))
