"""Know who gets which mail, and by which names a mail is known again."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

KINDS: Final[Mapping[str, str]] = {
    "account.opened": "welcome",
    "order.confirmed": "confirmed",
    "order.rejected": "rejected",
    "order.cancelled": "cancelled",
    "order.refunded": "refunded",
}
"""The mail that each type of event leads to."""

FALLBACK: Final = "en"

_PLAIN_ID = re.compile(r"[A-Za-z0-9-]{1,36}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Recipient:
    """Hold whom a mail is for; ``language`` may have a region, as in ``de-AT``, or be unknown."""

    address: str
    name: str
    language: str | None


def key_of(event_id: str) -> str:
    """Return a name for an event's mail: the same each time, and fit for a file and a header."""
    if _PLAIN_ID.fullmatch(event_id):
        return event_id
    return hashlib.sha256(event_id.encode()).hexdigest()[:32]


def on_one_line(text: str) -> str:
    """Return a text without line breaks and other characters that nobody sees."""
    visible = (character if character.isprintable() else " " for character in text)
    return " ".join("".join(visible).split())


def choose_language(wanted: str | None, known: Iterable[str]) -> str:
    """Return the known language that is nearest: ``de-AT``, or else ``de``, or else English."""
    parts = (wanted or "").split("-")
    candidates = ("-".join(parts[:length]) for length in range(len(parts), 0, -1))
    available = set(known)
    return next((each for each in candidates if each in available), FALLBACK)
