"""Know the states of a payment and what may follow what."""

import re
import secrets
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

_PAYMENT_ID = re.compile(r"pay_[A-Za-z0-9_-]{22}", re.ASCII)


class Status(StrEnum):
    """Say how far a payment has come."""

    PENDING = "pending"
    AUTHORISED = "authorised"
    DECLINED = "declined"
    CAPTURED = "captured"
    VOIDED = "voided"
    REFUNDED = "refunded"


EDGES: Final[Mapping[Status, frozenset[Status]]] = {
    Status.PENDING: frozenset({Status.AUTHORISED, Status.DECLINED, Status.VOIDED}),
    Status.AUTHORISED: frozenset({Status.CAPTURED, Status.VOIDED}),
    Status.DECLINED: frozenset(),
    Status.CAPTURED: frozenset({Status.REFUNDED}),
    Status.VOIDED: frozenset(),
    Status.REFUNDED: frozenset(),
}
"""The only changes of state; a refund of a part leaves the payment captured."""


class Kind(StrEnum):
    """Name what a provider can be told to do with a card."""

    AUTHORISE = "authorise"
    CAPTURE = "capture"
    REFUND = "refund"
    VOID = "void"


UNSETTLED: Final = frozenset({Status.PENDING, Status.AUTHORISED})
"""The states in which the provider may have done more than is known here."""


def sources_of(target: Status) -> list[Status]:
    """Return the states from which a payment may come to this one."""
    return [source for source, targets in EDGES.items() if target in targets]


def new_payment_id() -> str:
    """Return an id that nobody can guess."""
    return f"pay_{secrets.token_urlsafe(16)}"


def is_payment_id(text: str) -> bool:
    """Tell whether a text could be the id of a payment; nothing else is looked up."""
    return _PAYMENT_ID.fullmatch(text) is not None
