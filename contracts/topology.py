"""Say where each service listens when nothing else is configured."""

from collections.abc import Callable, Mapping
from typing import Final

DEFAULT_PORT: Final = 8000

PORT_OFFSETS: Final[Mapping[str, int]] = {
    "gateway": 0,
    "auth": 1,
    "accounts": 2,
    "products": 3,
    "orders": 4,
    "payments": 5,
    "greetings": 6,
    "search": 7,
    "notifications": 8,
    "logs": 9,
    "storefront": 10,
}
"""Distance of each service's port from the gateway's, which ``PORT`` sets."""


def default_url(service: str) -> Callable[[Mapping[str, str]], str]:
    """Return a default for ``<SERVICE>_URL``: the loopback port that the launcher gives it."""

    def url(environ: Mapping[str, str]) -> str:
        port = int(environ.get("PORT") or DEFAULT_PORT) + PORT_OFFSETS[service]
        return f"http://127.0.0.1:{port}"

    return url
