"""Reach what lies outside this process: the key set for tokens, and catalogues to import from.

A catalogue comes in DummyJSON's shape, over HTTP in pages or as a file.  Its items are read one
by one, so that a bad one costs nothing but itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import marshmallow as ma
from marshmallow import fields, validate
from requests.adapters import BaseAdapter

from chassis.clock import Clock
from chassis.errors import BadUpstream
from chassis.inbound.api import Integer, Text
from chassis.inbound.keyset import KeySet, RemoteKeySet
from chassis.outbound.breaker import BreakerPolicy, CircuitBreakerGuard
from chassis.outbound.client import ServiceClient
from chassis.outbound.service_tokens import issuer_client

from .config import Config
from .domain import MAX_STOCK
from .fields import CATEGORY, NOT_BLANK, TAG, DecimalPrice, PatternText, above_zero

PAGE_SIZE: Final = 100
# Unlike the neighbours, the source may be on the other side of the world.
CONNECT_SECONDS: Final = 2.0
PAGE_SECONDS: Final = 5.0
# A source that never ends must not keep a process for ever.
MAX_ITEMS: Final = 10_000


class ItemSchema(ma.Schema):
    """Read one item of a catalogue."""

    class Meta:
        """Pass over what a catalogue says beyond what this shop keeps."""

        unknown = ma.EXCLUDE

    id = Integer(required=True, minimum=1, maximum=2**31 - 1)
    title = PatternText(NOT_BLANK, maximum=200, required=True)
    brand = Text(maximum=100, load_default="")
    category = PatternText(CATEGORY, maximum=64, required=True)
    description = Text(maximum=5000, load_default="")
    price = DecimalPrice(required=True, validate=above_zero)
    stock = Integer(minimum=0, maximum=MAX_STOCK, load_default=0)
    thumbnail = PatternText(r"(https?:/)?/[^/\s]\S*", maximum=500, load_default=None)
    tags = fields.List(
        PatternText(TAG, maximum=40), validate=validate.Length(max=10), load_default=list
    )


@dataclass(frozen=True, slots=True)
class CatalogueItem:
    """Hold an item; ``values`` are a product's, by their names in the API, except for the stock."""

    id: int
    stock: int
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CataloguePage:
    """Hold ``count`` of the ``total`` items: the good ones, and what is wrong with the others."""

    total: int
    count: int
    items: list[CatalogueItem]
    rejected: list[dict[str, Any]]


class CatalogueSource(Protocol):
    """Give a catalogue in pages."""

    def key_of(self, item: CatalogueItem) -> str:
        """Return the name of an item, which no item of another source has."""
        ...

    def pages(self) -> Iterator[CataloguePage]:
        """Return the pages in order.

        Raises:
            ServiceError: the source is away, late, or does not have the agreed shape.
        """
        ...


class HTTPCatalogueSource:
    """Read a catalogue API page by page, as in ``/products?limit=100&skip=200``."""

    def __init__(self, url: str, policy: BreakerPolicy, clock: Clock | None = None) -> None:
        """Read the collection at ``url``; an address without a path means ``/products`` there."""
        parts = urlsplit(url)
        self._path = parts.path.rstrip("/") or "/products"
        self._address = f"{parts.scheme}://{parts.netloc}"
        self._client = ServiceClient(
            "catalogue source",
            self._address,
            clock=clock,
            policy=policy,
            connect_timeout=CONNECT_SECONDS,
            read_timeout=PAGE_SECONDS,
        )

    @property
    def breaker(self) -> CircuitBreakerGuard:
        """Return what keeps a source that fails from being asked."""
        return self._client.caller.breaker

    def key_of(self, item: CatalogueItem) -> str:
        """Return the address of the item."""
        return f"{self._address}{self._path}/{item.id}"

    def pages(self) -> Iterator[CataloguePage]:
        """Return the pages in order, up to ``MAX_ITEMS`` items in all."""
        skip = 0
        while True:
            page = self._fetch(skip)
            yield page
            skip += page.count
            # An empty page ends it too, whatever total a broken source claims.
            if page.count == 0 or skip >= min(page.total, MAX_ITEMS):
                return

    def _fetch(self, skip: int) -> CataloguePage:
        answer = self._client.get(f"{self._path}?limit={PAGE_SIZE}&skip={skip}")
        if answer.status != HTTPStatus.OK:
            raise BadUpstream(f"The catalogue source answered {answer.status}.")
        return read_page(answer.body, skip)


def read_page(document: Any, skip: int = 0) -> CataloguePage:
    """Read ``{"products": […], "total": 194, …}``, which begins with item number ``skip``.

    Raises:
        BadUpstream: it has another shape.
    """
    products = document.get("products") if isinstance(document, dict) else None
    total = document.get("total") if isinstance(document, dict) else None
    if not isinstance(products, list) or type(total) is not int:
        raise BadUpstream("The catalogue does not have DummyJSON's shape.")
    page = CataloguePage(total, len(products), items=[], rejected=[])
    schema = ItemSchema()
    for position, entry in enumerate(products, start=skip):
        try:
            values = schema.load(entry)
        except ma.ValidationError as error:
            page.rejected.append({"position": position, "errors": error.messages_dict})
        else:
            page.items.append(CatalogueItem(values.pop("id"), values.pop("stock"), values))
    return page


@dataclass(frozen=True)
class Clients:
    """Hold everything outside this process that the service talks to."""

    key_set: KeySet
    source: CatalogueSource | None
    breakers: Sequence[CircuitBreakerGuard] = ()


def connect(
    config: Config, clock: Clock | None = None, transport: BaseAdapter | None = None
) -> Clients:
    """Return clients for what the settings name.

    A ``transport`` takes the place of the network in tests.
    """
    auth = issuer_client(config.auth_url, clock, transport)
    policy = BreakerPolicy(open_seconds=config.breaker_open_seconds)
    source = HTTPCatalogueSource(config.source_url, policy, clock) if config.source_url else None
    return Clients(
        key_set=RemoteKeySet(lambda path: auth.get(path).body, config, clock),
        source=source,
        breakers=(auth.caller.breaker, source.breaker) if source else (auth.caller.breaker,),
    )
