"""Say whether a new password is good enough.

Sources: NIST SP 800-63B, 5.1.1.2 (length and blocklists instead of rules of composition); OWASP
ASVS 5, 6.2.  Whoever signs in is not asked: rules are for passwords that somebody chooses now.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from chassis.errors import Invalid

from .domain import MAX_PASSWORD_LENGTH

MIN_PASSWORD_LENGTH: Final = 8
SHOP_WORDS: Final = ("potionshop", "thepotionshop", "mypotionshop", "potion", "potions", "shop")
# A shorter name is part of too many good passwords.
_MIN_WORD_LENGTH = 3
_COMMON = Path(__file__).with_name("common_passwords.txt")
_SEPARATORS = re.compile(r"[\W_]+")
_DIGITS = "0123456789"
_LOOKALIKES = str.maketrans("013457@$", "oieastas")


def check(password: str, username: str, email: str | None, *, member: str = "password") -> None:
    """Accept a new password of somebody, or say what is wrong with it.

    Raises:
        Invalid: ``errors`` has the reason under ``member``.
    """
    reason = _fault(password, username, email)
    if reason:
        raise refusal(reason, member)


def refusal(reason: str, member: str = "password") -> Invalid:
    """Return the refusal of a password, with its reason under the member that it came in."""
    return Invalid("Choose another password; see 'errors'.", errors={member: [reason]})


def _fault(password: str, username: str, email: str | None) -> str | None:
    # First of all, because normalising takes long too.
    if len(password) > MAX_PASSWORD_LENGTH:
        return f"Longer than {MAX_PASSWORD_LENGTH} characters."
    composed = unicodedata.normalize("NFC", password)
    if not MIN_PASSWORD_LENGTH <= len(composed) <= MAX_PASSWORD_LENGTH:
        return f"Expected {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters."
    if composed.casefold() in _common():
        return "Among the passwords that are guessed first. Several words in a row are better."
    if _says_no_more_than(composed, SHOP_WORDS):
        return "Little more than the name of the shop, which is guessed early."
    if _says_no_more_than(composed, _names(username, email)):
        return "Little more than the user name or the mail address, which are guessed early."
    return None


def _names(username: str, email: str | None) -> Iterator[str]:
    yield username
    local_part = (email or "").rpartition("@")[0]
    yield local_part
    yield local_part.partition("+")[0]


def _says_no_more_than(password: str, words: Iterator[str] | tuple[str, ...]) -> bool:
    """Tell whether a password is one of the words but for case, separators and outer digits."""
    squeezed = _squeezed(password)
    stem = squeezed.strip(_DIGITS)
    said = {squeezed, stem, squeezed.translate(_LOOKALIKES), stem.translate(_LOOKALIKES)}
    for word in map(_squeezed, words):
        forms = {word, word.strip(_DIGITS)}
        if any(len(form) >= _MIN_WORD_LENGTH and form in said for form in forms):
            return True
    return False


def _squeezed(text: str) -> str:
    return _SEPARATORS.sub("", unicodedata.normalize("NFC", text).casefold())


@cache
def _common() -> frozenset[str]:
    return frozenset(_COMMON.read_text("utf-8").split())
