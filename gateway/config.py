"""Declare the settings of the gateway."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from chassis.config import Environ, Secret, ServiceConfig, seconds, setting, words
from contracts.topology import default_url

Network = IPv4Network | IPv6Network


def networks(text: str) -> tuple[Network, ...]:
    """Read a comma-separated list of addresses and networks.

    Raises:
        ValueError: when one is none.
    """
    return tuple(ip_network(word) for word in words(text))


def redis_address(text: str) -> Secret:
    """Read the address of a Redis server, which may hold a password.

    Raises:
        ValueError: when it is none.
    """
    if not text.startswith(("redis://", "rediss://")):
        raise ValueError("expected an address like redis://host:port")
    return Secret(text)


def _url(service: str) -> Any:
    variable = f"{service.upper()}_URL"
    return setting(variable, default=default_url(service), doc=f"address of `{service}`")


def _local_hosts(environ: Environ) -> tuple[str, ...]:
    if environ.get("SHOP_ENV") == "production":
        raise ValueError("is required in production: the names that the shop is served under")
    return ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, kw_only=True)
class Config(ServiceConfig):
    """Hold where the services are, and whom the gateway lets in."""

    service = "gateway"

    auth_url: str = _url("auth")
    accounts_url: str = _url("accounts")
    products_url: str = _url("products")
    orders_url: str = _url("orders")
    payments_url: str = _url("payments")
    greetings_url: str = _url("greetings")
    # A rebound or forged name must not reach the pages, nor get into their links.
    allowed_hosts: tuple[str, ...] = setting(
        "ALLOWED_HOSTS",
        default=_local_hosts,
        parse=words,
        doc="names that the shop is served under",
    )
    trusted_proxies: tuple[Network, ...] = setting(
        "TRUSTED_PROXIES", default=lambda _: (), parse=networks, doc="who may say `X-Forwarded-*`"
    )
    # Far more than a person needs, far less than a service can do.
    rate_limit: float = setting(
        "GATEWAY_RATE_LIMIT", default=50.0, parse=float, doc="requests a second of one client"
    )
    redis_url: str = setting(
        "REDIS_URL",
        default="",
        parse=redis_address,
        doc="Redis server that counts for all gateways",
    )
    stale_seconds: float = seconds(
        "STALE_SECONDS",
        default=300.0,
        doc="age up to which a public answer is shown without its service",
    )
    # A hung service may hold so many requests for a second; each costs some 50 KB.
    max_concurrent: int = setting(
        "GATEWAY_MAX_CONCURRENT", default=256, parse=int, doc="requests at once for one service"
    )
