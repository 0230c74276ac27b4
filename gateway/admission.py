"""Decide who the client is, and under which name it may call the shop."""

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from gateway.config import Network
from gateway.errors import UnknownHost

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::[0-9]{1,5})?", re.ASCII)
_PROXY_MARKS = {"HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_FORWARDED_FOR"}


def check_host(host: str, allowed: Container[str]) -> None:
    """Let a ``Host`` header pass if it is one of the names that are allowed, on any port.

    Otherwise an answer, a link or a mail could be made to name another site.

    Raises:
        UnknownHost: when it is missing, malformed or another name.
    """
    match = _HOST.fullmatch(host)
    if not match or match[1].lower() not in allowed:
        raise UnknownHost("The shop is not served under this name.")


def client_address(environ: Mapping[str, Any], trusted: Sequence[Network]) -> str:
    """Return where a request comes from: the last address that no trusted proxy has."""
    # A socket for both kinds shows IPv4 addresses as if they were of the other.
    address: str = environ["REMOTE_ADDR"].removeprefix("::ffff:")
    if trusted:
        hops = environ.get("HTTP_X_FORWARDED_FOR", "").replace(",", " ").split()
        while hops and _is_in(address, trusted):
            address = hops.pop()
    return address


def _is_in(address: str, networks: Iterable[Network]) -> bool:
    try:
        return any(ip_address(address) in network for network in networks)
    except ValueError:
        return False


def is_local(environ: Mapping[str, Any]) -> bool:
    """Tell whether the client is on this machine, and not just its last proxy."""
    proxied = not _PROXY_MARKS.isdisjoint(environ)
    return not proxied and ip_address(client_address(environ, ())).is_loopback
