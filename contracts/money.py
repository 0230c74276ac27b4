"""Hold amounts of money, the same in every service and in every JSON document.

Pattern: Money (Fowler, Patterns of Enterprise Application Architecture, chapter 18).  Amounts are
integers of the minor unit; no float takes part, so sums are exact.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import marshmallow as ma
from marshmallow import fields, validate

MAX_AMOUNT_MINOR: Final = 10**12
"""Largest amount, so that sums of many lines stay far from the end of 64 bits."""

MINOR_DIGITS: Final[Mapping[str, int]] = {"EUR": 2, "GBP": 2, "JPY": 0, "USD": 2}
"""Decimal places of each known currency (ISO 4217)."""

CURRENCIES: Final = ("USD",)
"""Currencies that the shop takes; the first is its own."""

_DECIMAL = re.compile(r"([0-9]{1,13})(?:\.([0-9]{1,20}))?", re.ASCII)


class MoneyError(ValueError):
    """Refuse what is no amount, or an operation that would not give one."""


@dataclass(frozen=True, slots=True)
class Money:
    """Hold an amount from 0 to ``MAX_AMOUNT_MINOR`` minor units of one currency."""

    amount_minor: int
    currency: str = CURRENCIES[0]

    def __post_init__(self) -> None:
        """Refuse what is no amount.

        Raises:
            MoneyError: the currency is unknown, or the amount is no integer or out of range.
        """
        if self.currency not in MINOR_DIGITS:
            raise MoneyError(f"'{self.currency}' is no known currency.")
        # ``type`` and not ``isinstance``: a bool is an int to Python.
        if type(self.amount_minor) is not int or not 0 <= self.amount_minor <= MAX_AMOUNT_MINOR:
            raise MoneyError(f"An amount is an integer from 0 to {MAX_AMOUNT_MINOR} minor units.")

    @classmethod
    def from_decimal(cls, text: str, currency: str = CURRENCIES[0]) -> Self:
        """Read plain decimal text, such as ``19.99``, without rounding.

        Raises:
            MoneyError: it is no such text, or finer than the currency's minor unit.
        """
        match = _DECIMAL.fullmatch(text)
        digits = MINOR_DIGITS.get(currency, 0)
        fraction = (match[2] or "").rstrip("0") if match else ""
        if match is None or len(fraction) > digits:
            raise MoneyError(f"'{text[:40]}' is no amount with at most {digits} decimal places.")
        return cls(int(match[1] + fraction.ljust(digits, "0")), currency)

    def times(self, quantity: int) -> Self:
        """Return the price of several.

        Raises:
            MoneyError: the product is out of range.
        """
        return type(self)(self.amount_minor * quantity, self.currency)

    def plus(self, other: Self) -> Self:
        """Return the sum.

        Raises:
            MoneyError: the currencies differ, or the sum is out of range.
        """
        self._check_currency(other)
        return type(self)(self.amount_minor + other.amount_minor, self.currency)

    def minus(self, other: Self) -> Self:
        """Return the difference.

        Raises:
            MoneyError: the currencies differ, or the difference is below zero.
        """
        self._check_currency(other)
        return type(self)(self.amount_minor - other.amount_minor, self.currency)

    def __str__(self) -> str:
        """Return the amount for people, such as ``19.99 USD``."""
        digits = MINOR_DIGITS[self.currency]
        text = str(self.amount_minor).rjust(digits + 1, "0")
        decimal = f"{text[:-digits]}.{text[-digits:]}" if digits else text
        return f"{decimal} {self.currency}"

    def _check_currency(self, other: Self) -> None:
        if self.currency != other.currency:
            raise MoneyError(f"{self.currency} and {other.currency} can't be added up.")


class MoneySchema(ma.Schema):
    """Read and write money as ``{"amount_minor": 1999, "currency": "USD"}``."""

    class Meta:
        """Refuse members that are not declared."""

        unknown = ma.RAISE

    amount_minor = fields.Integer(
        required=True,
        strict=True,
        validate=validate.Range(min=0, max=MAX_AMOUNT_MINOR),
        metadata={"example": 1999, "description": "Minor units, such as cents"},
    )
    currency = fields.String(
        required=True, validate=validate.OneOf(CURRENCIES), metadata={"example": CURRENCIES[0]}
    )

    @ma.post_load
    def make(self, data: Mapping[str, Any], **_: Any) -> Money:
        """Return the amount that was read."""
        return Money(**data)
