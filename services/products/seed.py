"""Fill the catalogue at the first start."""

import json
import logging
from pathlib import Path

from sqlalchemy.exc import IntegrityError

from chassis.config import ConfigError
from chassis.errors import BadUpstream
from storage.database import Database

from . import repository
from .clients import CatalogueItem, read_page
from .models import Product

logger = logging.getLogger(__name__)


def seed_catalogue(database: Database, path: Path) -> None:
    """Store the products of the file when there are none yet; safe to call at every start.

    Raises:
        ConfigError: the file can't be used.
    """
    with database.read() as session:
        if not repository.is_empty(session):
            return
    items = read_catalogue_file(path)
    try:
        with database.write() as session:
            session.add_all(_product_of(item) for item in items)
            session.flush()
            repository.leave_ids_out(session)
    except IntegrityError:
        # Another process started at the same moment and stored the same ids.
        logger.info("the products were stored by another process")
    else:
        logger.info("stored the %d products of %s", len(items), path)


def read_catalogue_file(path: Path) -> list[CatalogueItem]:
    """Return the items of a file in DummyJSON's shape.

    Raises:
        ConfigError: it can't be read, or one of its items is no product.
    """
    try:
        page = read_page(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError, BadUpstream) as error:
        raise ConfigError(f"PRODUCTS_CATALOGUE: {path} can't be used: {error}") from error
    if page.rejected:
        raise ConfigError(f"PRODUCTS_CATALOGUE: {path} can't be used: {page.rejected[0]}")
    return page.items


def _product_of(item: CatalogueItem) -> Product:
    product = Product(id=item.id, stock=item.stock)
    product.assign(item.values)
    return product
