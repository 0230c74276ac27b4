"""Say where a request comes from, and what counts as one source."""

from ipaddress import IPv6Address
from typing import Final

from flask import Request

CLIENT_HEADER: Final = "X-Forwarded-For"


def source_of(incoming: Request) -> str:
    """Return the address of the client, as the gateway says, or else of who is connected.

    The gateway replaces what a client claims about itself; whoever reaches a service's own port
    is inside already, and may claim what he likes.
    """
    return incoming.headers.get(CLIENT_HEADER) or incoming.remote_addr or "unknown"


def network_of(source: str) -> str:
    """Return what is counted: an IPv4 address, or the whole /64 that a line's owner has."""
    if ":" not in source:
        return source
    try:
        address = IPv6Address(source)
    except ValueError:
        return source
    mapped = address.ipv4_mapped
    return str(mapped) if mapped else f"{int(address) >> 64:x}::/64"
