"""Stand in for a payment provider: a ledger of its own, and cards that do as their token says.

Pattern: Service Stub (Fowler, Patterns of Enterprise Application Architecture, chapter 18).  Its
record is kept in a database that nothing else writes to, so that what this service believes can
be held against it.  It moves no money.
"""

import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    bindparam,
    insert,
    or_,
    select,
)
from sqlalchemy.orm import Session

from chassis.clock import Clock
from chassis.errors import Unavailable
from contracts.money import Money
from storage.database import Database, Timestamp, serialise

from .domain import Kind
from .errors import (
    InsufficientFunds,
    OperationRefused,
    PaymentDeclined,
    ProviderSilent,
    UnknownCardToken,
)
from .provider import Instruction, Operation

MAX_WAITING: Final = 4
"""Calls that may hang at once: half of a process's threads; further ones give up at once."""

metadata = MetaData()

OPERATIONS = Table(
    "operations",
    metadata,
    # Two operations may bear the same time.
    Column("sequence", Integer, primary_key=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("payment_id", String(64), nullable=False, index=True),
    Column("order_id", String(64), nullable=False, index=True),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("idempotency_key", String(255), nullable=False, unique=True),
    Column("created_at", Timestamp, nullable=False),
)

RELATED = select(OPERATIONS).where(
    or_(
        OPERATIONS.c.payment_id == bindparam("payment_id"),
        OPERATIONS.c.idempotency_key == bindparam("key"),
    )
)


class StandInProvider:
    """Record operations and answer, or not, as the card token tells."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        timeout_seconds: float,
        wait: Callable[[float], object] = time.sleep,
        report_twice: Callable[[Operation], object] = lambda _: None,
    ) -> None:
        """Keep the record in ``database``, which may be away and gets its tables at the first use.

        Args:
            database: its own, shared with nobody.
            clock: the time of the record.
            timeout_seconds: how long a caller waits for a card that hangs.
            wait: lets that time pass.
            report_twice: sends the event of an operation to the webhook, two times.
        """
        self._database = database
        self._has_tables = False
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._wait = wait
        self._report_twice = report_twice
        self._waiting = threading.BoundedSemaphore(MAX_WAITING)

    def authorise(self, instruction: Instruction, card_token: str) -> Operation:
        """Place the amount on hold, as far as the card is good for it.

        Raises:
            PaymentDeclined, InsufficientFunds, UnknownCardToken: nothing is on hold.
            ProviderSilent: the token asks for it.
        """
        match card_token:
            case "tok_ok":
                return self._record(Kind.AUTHORISE, instruction)
            case "tok_declined":
                raise PaymentDeclined
            case "tok_insufficient_funds":
                raise InsufficientFunds
            case "tok_hang":
                raise self._hang()
            case "tok_hang_after_charge":
                self._record(Kind.AUTHORISE, instruction)
                raise self._hang()
            case "tok_error_after_charge":
                self._record(Kind.AUTHORISE, instruction)
                raise ProviderSilent("The provider failed after it had recorded the operation.")
            case "tok_duplicate_webhook":
                operation = self._record(Kind.AUTHORISE, instruction)
                self._report_twice(operation)
                return operation
            case _:
                raise UnknownCardToken

    def capture(self, instruction: Instruction) -> Operation:
        """Take what is on hold."""
        return self._record(Kind.CAPTURE, instruction)

    def refund(self, instruction: Instruction) -> Operation:
        """Give back the amount of what was taken."""
        return self._record(Kind.REFUND, instruction)

    def void(self, instruction: Instruction) -> Operation:
        """Let go of what is on hold, and refuse an authorisation that comes later."""
        return self._record(Kind.VOID, instruction)

    def find_operation(self, idempotency_key: str) -> Operation | None:
        """Return the recorded operation of a key, None when there was none."""
        by_key = select(OPERATIONS).where(OPERATIONS.c.idempotency_key == idempotency_key)
        with self._record_at_hand() as record, record.read() as session:
            row = session.execute(by_key).one_or_none()
            return _operation(row) if row else None

    def operations(self, order_id: str) -> Sequence[Operation]:
        """Return what was recorded for an order, oldest first."""
        of_order = (
            select(OPERATIONS)
            .where(OPERATIONS.c.order_id == order_id)
            .order_by(OPERATIONS.c.sequence)
        )
        with self._record_at_hand() as record, record.read() as session:
            return [_operation(row) for row in session.execute(of_order)]

    def _record(self, kind: Kind, instruction: Instruction) -> Operation:
        with self._record_at_hand() as record, record.write() as session:
            return _book(session, kind, instruction, self._clock.now())

    @contextmanager
    def _record_at_hand(self) -> Iterator[Database]:
        """Give the record with its tables; while it is away the provider is silent."""
        try:
            # No lock: several at once do no harm, and one that waits would hold up the others.
            if not self._has_tables:
                self._database.create_all(metadata)
                self._has_tables = True
            yield self._database
        except Unavailable as error:
            raise ProviderSilent from error

    def _hang(self) -> ProviderSilent:
        """Use up the caller's patience, and return what it then gets."""
        # Whatever a card does, some threads stay free for the other ones.
        if self._waiting.acquire(blocking=False):
            try:
                self._wait(self._timeout_seconds)
            finally:
                self._waiting.release()
        return ProviderSilent()


def _book(session: Session, kind: Kind, instruction: Instruction, at: datetime) -> Operation:
    operation = Operation(
        id=f"op_{secrets.token_urlsafe(12)}",
        kind=kind,
        payment_id=instruction.payment_id,
        order_id=instruction.order_id,
        amount=instruction.amount,
        idempotency_key=instruction.idempotency_key,
        created_at=at,
    )
    # Nothing can come between the look and the entry.
    serialise(session, instruction.payment_id)
    history = _history(session, instruction)
    for past in history:
        if past.idempotency_key == instruction.idempotency_key:
            return _repeated(past, operation)
    if not _is_possible(kind, instruction.amount.amount_minor, history):
        raise OperationRefused(f"The provider's record does not allow to {kind} this payment.")
    session.execute(insert(OPERATIONS), _row(operation))
    return operation


def _history(session: Session, instruction: Instruction) -> list[Operation]:
    """Return what is known of the payment, and what has the same key."""
    names = {"payment_id": instruction.payment_id, "key": instruction.idempotency_key}
    return [_operation(row) for row in session.execute(RELATED, names)]


def _repeated(past: Operation, again: Operation) -> Operation:
    if (past.kind, past.payment_id, past.amount) != (again.kind, again.payment_id, again.amount):
        raise OperationRefused("The provider knows this idempotency key from another operation.")
    return past


def _is_possible(kind: Kind, amount_minor: int, history: Sequence[Operation]) -> bool:
    done: Counter[Kind] = Counter()
    for past in history:
        done[past.kind] += past.amount.amount_minor
    return {
        Kind.AUTHORISE: not (done[Kind.AUTHORISE] or done[Kind.VOID]),
        Kind.CAPTURE: not done[Kind.VOID]
        and done[Kind.CAPTURE] + amount_minor <= done[Kind.AUTHORISE],
        Kind.REFUND: done[Kind.REFUND] + amount_minor <= done[Kind.CAPTURE],
        Kind.VOID: not (done[Kind.CAPTURE] or done[Kind.VOID]),
    }[kind]


def _operation(row: Row[Any]) -> Operation:
    return Operation(
        id=row.id,
        kind=Kind(row.kind),
        payment_id=row.payment_id,
        order_id=row.order_id,
        amount=Money(row.amount_minor, row.currency),
        idempotency_key=row.idempotency_key,
        created_at=row.created_at,
    )


def _row(operation: Operation) -> dict[str, Any]:
    return {
        "id": operation.id,
        "kind": operation.kind,
        "payment_id": operation.payment_id,
        "order_id": operation.order_id,
        "amount_minor": operation.amount.amount_minor,
        "currency": operation.amount.currency,
        "idempotency_key": operation.idempotency_key,
        "created_at": operation.created_at,
    }
