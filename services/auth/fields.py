"""Read user names, mail addresses and languages, wherever they come from."""

import re
from collections.abc import Callable
from typing import Any

from marshmallow import ValidationError

from chassis.inbound.api import Text

from .domain import EMAIL, LANGUAGE, MAX_EMAIL_LENGTH, MAX_LANGUAGE_LENGTH, USERNAME


def matches(pattern: re.Pattern[str], expected: str) -> Callable[[str], None]:
    """Return a check that a text as a whole has a pattern, described by ``expected``."""

    def check(text: str) -> None:
        if not pattern.fullmatch(text):
            raise ValidationError(f"Expected {expected}.")

    return check


class Username(Text):
    """Take the name of somebody who can sign in."""

    def __init__(self, **options: Any) -> None:
        """Take the options of a field."""
        expected = "3 to 64 ASCII letters, digits, dots, hyphens or underscores"
        super().__init__(also=[matches(USERNAME, expected)], **options)


class MailAddress(Text):
    """Take what looks like a mail address."""

    def __init__(self, **options: Any) -> None:
        """Take the options of a field."""
        expected = [matches(EMAIL, "a mail address")]
        super().__init__(maximum=MAX_EMAIL_LENGTH, also=expected, **options)


class Language(Text):
    """Take the code of a language, such as ``de`` or ``pt-BR``."""

    def __init__(self, **options: Any) -> None:
        """Take the options of a field."""
        expected = [matches(LANGUAGE, "the code of a language, such as 'de' or 'pt-BR'")]
        super().__init__(maximum=MAX_LANGUAGE_LENGTH, also=expected, **options)
