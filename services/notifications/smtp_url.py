"""Read the address of a mail server, and refuse one that would carry a password in the clear."""

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from chassis.config import Secret

# Of mail submission (RFC 8314): with STARTTLS, and with TLS from the first byte.
PORTS = {"smtp": 587, "smtps": 465}
STARTTLS = ("required", "never")


@dataclass(frozen=True)
class SMTPAddress:
    """Hold where a mail server is and how to speak with it; without ``user`` nobody signs in.

    ``tls`` begins with the first byte, ``starttls`` before anything that matters.
    """

    host: str
    port: int
    tls: bool
    starttls: bool
    user: str = ""
    password: Secret = field(default=Secret(""), repr=False)


def read_smtp_url(text: str) -> SMTPAddress:
    """Read ``smtp://user:password@host:587`` or ``smtps://…``; user and password may be encoded.

    ``smtp`` asks for STARTTLS, except on the loopback; ``?starttls=never`` or ``required`` says
    otherwise.

    Raises:
        ValueError: it is none; the message does not repeat it, because it may hold a password.
    """
    host, port, scheme, options = _parts(text)
    url = urlsplit(text)
    user, password = unquote(url.username or ""), unquote(url.password or "")
    if bool(user) != bool(password) or not (user + password).isprintable():
        raise ValueError("expected both user and password, or neither")
    tls = scheme == "smtps"
    usual = "never" if tls or is_loopback(host) else "required"
    starttls = options.pop("starttls", usual)
    if options or starttls not in STARTTLS or (tls and starttls != "never"):
        raise ValueError("knows one option, starttls=required or starttls=never, for smtp://")
    protected = tls or starttls == "required" or is_loopback(host)
    if user and not protected:
        raise ValueError("would send the password in the clear: leave out starttls=never")
    return SMTPAddress(host, port, tls, starttls == "required", user, Secret(password))


def smtp_url(text: str) -> Secret:
    """Check the address of a mail server, for a setting.

    Raises:
        ValueError: as of :func:`read_smtp_url`.
    """
    read_smtp_url(text)
    return Secret(text)


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, by its address or as ``localhost``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _parts(text: str) -> tuple[str, int, str, dict[str, str]]:
    wrong = ValueError("expected an address such as smtp://user:…@mail.example:587")
    try:
        url = urlsplit(text)
        port = url.port or PORTS[url.scheme]
        options = dict(parse_qsl(url.query, keep_blank_values=True, strict_parsing=bool(url.query)))
    except (ValueError, KeyError):
        # Without the cause, which may repeat a part of the password.
        raise wrong from None
    if not url.hostname or url.path.strip("/") or url.fragment:
        raise wrong
    return url.hostname, port, url.scheme, options
