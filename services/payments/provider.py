"""Say what a payment provider does for this service, whichever it is.

Pattern: Gateway (Fowler, Patterns of Enterprise Application Architecture, chapter 18).  Every
operation has a provider-side idempotency key that stays the same for each repetition, and the
provider's own record can be asked what became of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from contracts.money import Money

from .domain import Kind


@dataclass(frozen=True, slots=True)
class Instruction:
    """Tell a provider what an operation is about."""

    payment_id: str
    order_id: str
    amount: Money
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class Operation:
    """Hold an operation that a provider has carried out and recorded."""

    id: str
    kind: Kind
    payment_id: str
    order_id: str
    amount: Money
    idempotency_key: str
    created_at: datetime


class PaymentProvider(Protocol):
    """Move money on cards; every operation is safe to repeat with the same key.

    Each may raise :class:`ProviderSilent` when its outcome is unknown, and
    :class:`OperationRefused` when the record of the payment does not allow it.
    """

    def authorise(self, instruction: Instruction, card_token: str) -> Operation:
        """Place the amount on hold.

        Raises:
            PaymentDeclined, InsufficientFunds, UnknownCardToken: nothing is on hold.
        """
        ...

    def capture(self, instruction: Instruction) -> Operation:
        """Take what is on hold."""
        ...

    def refund(self, instruction: Instruction) -> Operation:
        """Give back the amount of what was taken."""
        ...

    def void(self, instruction: Instruction) -> Operation:
        """Let go of what is on hold, and refuse an authorisation that comes later."""
        ...

    def find_operation(self, idempotency_key: str) -> Operation | None:
        """Return the recorded operation of a key, None when there was none.

        Raises:
            ProviderSilent: the record can't be read now.
        """
        ...

    def operations(self, order_id: str) -> Sequence[Operation]:
        """Return what was recorded for an order, oldest first.

        Raises:
            ProviderSilent: the record can't be read now.
        """
        ...
