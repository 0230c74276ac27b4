"""Know the rules for what people say of themselves, and how text is compared."""

import re
from typing import Final

MAX_ID_LENGTH: Final = 64
"""Longest id of a user; events bound it, as ids of what they happen to."""
MAX_USERNAME_LENGTH: Final = 64
MAX_EMAIL_LENGTH: Final = 254
"""Longest address that fits the path of RFC 5321, section 4.5.3.1.3."""
MAX_NAME_LENGTH: Final = 120
MAX_LANGUAGE_LENGTH: Final = 35
"""Length that RFC 5646, section 4.4.1, asks everybody to have room for."""
MAX_ADDRESSES: Final = 10

LANGUAGE: Final = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", re.ASCII)

CRITERIA: Final = ("id", "username", "email", "family_name", "city")
"""What operators may look for accounts by; each has an index."""


def folded(text: str) -> str:
    """Return the form in which names are compared; it is up to three times as long."""
    return text.casefold()


def is_language(text: str) -> bool:
    """Tell whether a text is a language tag that can be kept, such as ``de-AT``."""
    return len(text) <= MAX_LANGUAGE_LENGTH and LANGUAGE.fullmatch(text) is not None
