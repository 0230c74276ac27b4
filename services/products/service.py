"""Show, search and change the catalogue: the use cases that have nothing to do with orders."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy.orm import Session

from storage.database import Database, repeat_on_collision

from . import repository
from .clients import CataloguePage, CatalogueSource
from .domain import ProductQuery, category_name
from .errors import ImportNotConfigured, ProductNotFound
from .models import Product
from .reservations import expire_reservations

# Enough to see what is wrong with a source, without sending all of it back.
MAX_REASONS: Final = 100

Progress = Callable[[int, int], None]
"""Hear that so many more items of so many in all are done."""


@contextmanager
def current_stock(database: Database, now: datetime) -> Iterator[Session]:
    """Open a session to read in, in which the goods of expired reservations are back on sale.

    Unless there are such reservations, which the sweep makes rare, it is the only one.
    """
    with database.read() as session:
        if not repository.has_due_reservations(session, now):
            yield session
            return
    expire_reservations(database, now)
    with database.read() as session:
        yield session


@contextmanager
def changing_stock(database: Database, now: datetime) -> Iterator[Session]:
    """Open a session to write in, in which the goods of expired reservations are back on sale.

    Otherwise those would be missing, or be added later to what was counted with them.
    """
    expire_reservations(database, now)
    with database.write() as session:
        yield session


def list_products(session: Session, query: ProductQuery) -> dict[str, Any]:
    """Return a page of the catalogue, and the cursor of the next one.

    Raises:
        Invalid: the cursor belongs to another sort or other filters.
    """
    products, following = repository.find_page(session, query)
    return {"data": products, "next": following}


def get_product(session: Session, product_id: int) -> Product:
    """Return a product.

    Raises:
        ProductNotFound: there is none.
    """
    product = session.get(Product, product_id)
    if product is None:
        raise ProductNotFound
    return product


def list_categories(session: Session) -> list[dict[str, Any]]:
    """Return the categories, by slug, with the number of their products."""
    return [
        {"slug": slug, "name": category_name(slug), "count": count}
        for slug, count in repository.count_by_category(session)
    ]


def create_product(session: Session, values: Mapping[str, Any]) -> Product:
    """Add a product to the catalogue."""
    product = Product()
    product.assign(values)
    session.add(product)
    session.flush()
    return product


def change_product(session: Session, product_id: int, values: Mapping[str, Any]) -> Product:
    """Change what ``values`` name of a product; its stock as :func:`set_stock` does.

    Raises:
        ProductNotFound: there is none.
    """
    product = session.get(Product, product_id, with_for_update=True)
    if product is None:
        raise ProductNotFound
    product.assign(values)
    return product


def set_stock(session: Session, product_id: int, stock: int) -> Product:
    """Set what can be bought now; what live reservations hold comes on top.

    Raises:
        ProductNotFound: there is none.
    """
    repository.set_stock(session, product_id, stock)
    return get_product(session, product_id)


@dataclass
class ImportReport:
    """Count what became of the items; ``reasons`` tell of the first that were skipped."""

    imported: int = 0
    updated: int = 0
    skipped: int = 0
    reasons: list[dict[str, Any]] = field(default_factory=list)


def import_catalogue(
    database: Database, source: CatalogueSource | None, progress: Progress = lambda *_: None
) -> ImportReport:
    """Bring in the products of a source, page by page; safe to repeat, also when it broke off.

    A product that came from there before is updated, except for its stock: what is on the shelf
    is this shop's own knowledge.

    Raises:
        ImportNotConfigured: there is no source.
        ServiceError: the source failed; the pages before that stay.
    """
    if source is None:
        raise ImportNotConfigured("Set PRODUCTS_SOURCE_URL to import from a catalogue.")
    report = ImportReport()
    for page in source.pages():
        imported = repeat_on_collision(partial(_store_page, database, source, page))
        report.imported += imported
        report.updated += len(page.items) - imported
        report.skipped += len(page.rejected)
        report.reasons += page.rejected[: MAX_REASONS - len(report.reasons)]
        progress(page.count, page.total)
    return report


def _store_page(database: Database, source: CatalogueSource, page: CataloguePage) -> int:
    """Store the products of a page, and return how many of them are new."""
    with database.write() as session:
        return _merge(session, source, page)


def _merge(session: Session, source: CatalogueSource, page: CataloguePage) -> int:
    imported = 0
    keys = [source.key_of(item) for item in page.items]
    known = repository.find_imported(session, keys)
    for key, item in zip(keys, page.items, strict=True):
        if key not in known:
            known[key] = Product(source_key=key, stock=item.stock)
            session.add(known[key])
            imported += 1
        known[key].assign(item.values)
    return imported
