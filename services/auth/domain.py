"""Know the rules for people's names and roles, and what each service may do."""

import re
from collections.abc import Mapping
from typing import Final

MAX_USERNAME_LENGTH: Final = 64
MAX_EMAIL_LENGTH: Final = 254
"""Longest address that fits the path of RFC 5321, section 4.5.3.1.3."""
MAX_PASSWORD_LENGTH: Final = 1024
"""Longest password that is looked at, in characters; hashing is dear, and so is normalising."""

USERNAME: Final = re.compile(r"[A-Za-z0-9._-]{3,64}", re.ASCII)
# Whether an address really exists only a mail to it can tell.
# Of any script, but without what means something else in the head of a mail: quotes, brackets,
# lists, invisible characters, and the ``=?`` of encoded words (RFC 5322, 3.2.3; RFC 2047).
_ATOM = r"[\w!#$%&'*+/=?^`{|}~-]+"
EMAIL: Final = re.compile(rf"(?!.*=\?){_ATOM}(?:\.{_ATOM})*@[\w-]+(?:\.[\w-]+)+")
LANGUAGE: Final = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", re.ASCII)
MAX_LANGUAGE_LENGTH: Final = 35
"""As long as RFC 5646, section 4.4.1, wants a language tag to be accepted."""

CUSTOMER: Final = "customer"
OPERATOR: Final = "operator"
ROLES: Final = (CUSTOMER, OPERATOR)

CLIENT_SCOPES: Final[Mapping[str, tuple[str, ...]]] = {
    "orders": (
        *("reservations:write", "payments:write", "events:write"),
        # For its own command line, with which a person looks after it.
        *("operations:read", "operations:write"),
    ),
    # It shows operators how things stand, and changes nothing.
    "gateway": ("operations:read",),
    "auth": ("events:write",),
    "accounts": ("events:write", "users:erase"),
    "notifications": ("accounts:read",),
    "greetings": ("accounts:read",),
}
"""The services that get tokens, and the scopes of each; one that is not here gets none."""


def folded(name: str) -> str:
    """Return the form in which names and mail addresses are compared."""
    return name.casefold()
