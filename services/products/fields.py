"""Read the kinds of values that only this service knows."""

import re
from typing import Any, Final

import marshmallow as ma
from marshmallow import fields

from chassis.inbound.api import Text
from contracts.money import MINOR_DIGITS, Money, MoneyError

CATEGORY: Final = r"[a-z0-9]+(-[a-z0-9]+)*"
# Lower case only, because LIKE minds the case in PostgreSQL and not in SQLite.
TAG: Final = r"[a-z0-9]+([ -][a-z0-9]+)*"
RESERVATION_ID: Final = r"[A-Za-z0-9_-]{1,64}"
NOT_BLANK: Final = r"[\s\S]*\S[\s\S]*"


class PatternText(Text):
    """Accept text that matches a pattern as a whole."""

    def __init__(self, pattern: str, *, maximum: int, **kwargs: Any) -> None:
        """Take a pattern that Python and ECMAScript read alike, for it is documented too."""
        self._pattern = re.compile(pattern, re.ASCII)
        metadata = {"pattern": f"^{pattern}$", **kwargs.pop("metadata", {})}
        super().__init__(
            minimum=1, maximum=maximum, also=[self._check], metadata=metadata, **kwargs
        )

    def _check(self, text: str) -> None:
        # Not marshmallow's Regexp: its ``$`` would let a line break follow.
        if not self._pattern.fullmatch(text):
            raise ma.ValidationError("Not of the expected form.")


def above_zero(price: Money) -> None:
    """Refuse to give a product away: payments of nothing do not exist."""
    if not price.amount_minor:
        raise ma.ValidationError("Must be above zero.")


class DecimalPrice(fields.Float):
    """Hold money as a JSON number in major units, for callers who expect that."""

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> Any:
        try:
            # The shortest text of a float is what stood in the JSON, so nothing is rounded.
            return Money.from_decimal("" if isinstance(value, bool) else str(value))
        except MoneyError as error:
            raise ma.ValidationError(str(error)) from error

    def _serialize(self, value: Any, *_args: Any, **_kwargs: Any) -> Any:
        money: Money = value
        # The nearest float, whose shortest text is the exact amount again.
        return money.amount_minor / 10 ** MINOR_DIGITS[money.currency]
