"""Read the addresses that people give, as far as a mail can be sent to them."""

import re
from email.errors import MessageError
from email.headerregistry import Address

from .errors import UnusableAddress

# As it stands in the header and in the dialogue with the server; or an address in brackets.
_DOMAIN = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?|\[[\w:.]+\]", re.ASCII
)


def address_of(text: str, name: str) -> Address:
    """Return an address with a display name; a domain of another script becomes Punycode.

    Raises:
        UnusableAddress: no mail can be sent there.
    """
    local, _, domain = text.rpartition("@")
    try:
        ascii_domain = domain if domain.isascii() else domain.encode("idna").decode()
        address = Address(name.replace("=?", "= ?"), local, ascii_domain)
    except (ValueError, MessageError) as error:
        raise UnusableAddress("No mail can be sent to this address.") from error
    # Python decodes what looks encoded, and would write what was hidden in it as a line of its own.
    if not local or not local.isprintable() or "=?" in local or not _DOMAIN.fullmatch(ascii_domain):
        raise UnusableAddress("No mail can be sent to this address.")
    return address
