"""Declare the settings of the products service."""

import re
from dataclasses import dataclass
from pathlib import Path

from chassis.config import Secret, ServiceConfig, positive, setting
from contracts.topology import default_url
from storage.database import database_address
from storage.database import default_url as default_database_url

BUNDLED_CATALOGUE = Path(__file__).with_name("catalogue.json")

_ADDRESS = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~-]*)*", re.ASCII)


def http_address(text: str) -> str:
    """Read the address of an HTTP resource.

    Raises:
        ValueError: it is none, or has more than host, port and a plain path.
    """
    if not _ADDRESS.fullmatch(text) or {".", ".."} & set(text.split("/")):
        raise ValueError("expected an address such as https://catalogue.example/products")
    return text


@dataclass(frozen=True, kw_only=True)
class Config(ServiceConfig):
    """Hold where the catalogue comes from and how long goods are held back."""

    service = "products"

    database_url: Secret = setting(
        "PRODUCTS_DATABASE_URL",
        default=default_database_url("products"),
        parse=database_address,
        doc="database of the catalogue, the stock and the reservations",
    )
    auth_url: str = setting(
        "AUTH_URL", default=default_url("auth"), doc="where the key set for tokens comes from"
    )
    catalogue: Path = setting(
        "PRODUCTS_CATALOGUE",
        default=lambda _: BUNDLED_CATALOGUE,
        parse=Path,
        doc="file with the products of the first start, in DummyJSON's shape",
    )
    source_url: str = setting(
        "PRODUCTS_SOURCE_URL",
        default="",
        parse=http_address,
        doc="catalogue API to import from, in DummyJSON's shape; without a path `/products`",
    )
    reservation_seconds: float = setting(
        "RESERVATION_SECONDS",
        default=600.0,
        parse=positive,
        doc="how long goods are held back for an order that is not confirmed",
    )
    # Two seconds late is what the contract allows; a look that finds nothing costs one index read.
    sweep_seconds: float = setting(
        "RESERVATION_SWEEP_SECONDS",
        default=1.0,
        parse=positive,
        doc="pause between looks for reservations that expired",
    )
