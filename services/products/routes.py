"""Serve the catalogue to everybody, and reservations to other services."""

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Response, current_app, g, request
from sqlalchemy.orm import Session
from werkzeug.routing import BaseConverter

from chassis import crash
from chassis.inbound.api import Blueprint
from chassis.inbound.app import settings_of
from chassis.inbound.identity import requires_role, requires_scope, requires_user
from chassis.inbound.pagination import MAX_LIMIT, page_schema
from storage.database import repeat_on_collision

from . import operations, reservations, service
from .domain import ProductQuery, Reservation
from .fields import RESERVATION_ID
from .models import Product
from .schemas import (
    ArticleProductListSchema,
    CategoryListSchema,
    ImportReportSchema,
    OperationsSchema,
    ProductArguments,
    ProductChangesSchema,
    ProductInputSchema,
    ProductSchema,
    ReservationInputSchema,
    ReservationSchema,
    ReservationStatusSchema,
    StockSchema,
)

OPERATOR = "operator"
SCOPE = "reservations:write"
OPERATIONS_SCOPE = "operations:read"

# Stock is as old as this at a shared cache; whoever orders gets the stock of the moment.
SHARED_SECONDS = 1

Outcome = TypeVar("Outcome")

bp = Blueprint("products", __name__, description="The catalogue")
reservations_bp = Blueprint(
    "reservations",
    __name__,
    url_prefix="/internal/reservations",
    description="Goods that are held back for orders; for other services",
)


class ReservationIdConverter(BaseConverter):
    """Match the ids that a reservation may have."""

    regex = RESERVATION_ID


def describe_reservation_id(_: BaseConverter) -> dict[str, str]:
    """Return what the OpenAPI document says about these ids."""
    return {"type": "string", "pattern": f"^{RESERVATION_ID}$"}


@bp.after_request
def let_caches_keep(response: Response) -> Response:
    """Let shared caches keep for a second what everybody may see; browsers ask each time."""
    if request.method == "GET" and response.status_code == 200 and "principal" not in g:
        response.headers["Cache-Control"] = f"public, s-maxage={SHARED_SECONDS}, max-age=0"
        response.add_etag()
        response.make_conditional(request)
    return response


def _part(name: str) -> Any:
    return current_app.extensions[name]


def _reading() -> Any:
    return service.current_stock(_part("database"), _part("clock").now())


def _write(use_case: Callable[[Session], Outcome]) -> Outcome:
    def attempt() -> Outcome:
        with _part("database").write() as session:
            return use_case(session)

    return repeat_on_collision(attempt)


def _change_stock(use_case: Callable[[Session], Outcome]) -> Outcome:
    def attempt() -> Outcome:
        with service.changing_stock(_part("database"), _part("clock").now()) as session:
            return use_case(session)

    return repeat_on_collision(attempt)


@bp.get("/products")
@requires_user
@bp.response(200, ArticleProductListSchema)
@bp.alt_response(401, "UNAUTHORIZED")
def list_for_article() -> dict[str, Any]:
    """List the first 100 products, in the shape that articles on this stack use."""
    with _part("database").read() as session:
        return service.list_products(session, ProductQuery(limit=MAX_LIMIT))


@bp.get("/api/v1/products")
@bp.arguments(ProductArguments, location="query")
@bp.response(200, page_schema(ProductSchema))
def list_products(query: ProductQuery) -> dict[str, Any]:
    """List products.

    A cursor belongs to its sort and filters.  Pages stay right while products come and go: none is
    shown twice, and none is left out that was there all the time.
    """
    with _reading() as session:
        return service.list_products(session, query)


@bp.get("/api/v1/products/categories")
@bp.response(200, CategoryListSchema)
def list_categories() -> dict[str, Any]:
    """List the categories with the number of their products."""
    with _part("database").read() as session:
        return {"data": service.list_categories(session)}


@bp.get("/api/v1/products/<id:product_id>")
@bp.response(200, ProductSchema)
@bp.alt_response(404, "NOT_FOUND")
def show_product(product_id: int) -> Product:
    """Show a product."""
    with _reading() as session:
        return service.get_product(session, product_id)


@bp.post("/api/v1/products")
@requires_role(OPERATOR)
@bp.arguments(ProductInputSchema)
@bp.response(201, ProductSchema)
@bp.alt_response(401, "UNAUTHORIZED")
@bp.alt_response(403, "FORBIDDEN")
def create_product(values: dict[str, Any]) -> tuple[Product, dict[str, str]]:
    """Add a product to the catalogue."""
    product = _write(lambda session: service.create_product(session, values))
    return product, {"Location": f"/api/v1/products/{product.id}"}


@bp.patch("/api/v1/products/<id:product_id>")
@requires_role(OPERATOR)
@bp.arguments(ProductChangesSchema(partial=True))
@bp.response(200, ProductSchema)
@bp.alt_response(401, "UNAUTHORIZED")
@bp.alt_response(403, "FORBIDDEN")
@bp.alt_response(404, "NOT_FOUND")
def change_product(values: dict[str, Any], product_id: int) -> Product:
    """Change some of what is said about a product."""
    return _change_stock(lambda session: service.change_product(session, product_id, values))


@bp.put("/api/v1/products/<id:product_id>/stock")
@requires_role(OPERATOR)
@bp.arguments(StockSchema)
@bp.response(200, ProductSchema)
@bp.alt_response(401, "UNAUTHORIZED")
@bp.alt_response(403, "FORBIDDEN")
@bp.alt_response(404, "NOT_FOUND")
def set_stock(wanted: dict[str, int], product_id: int) -> Product:
    """Set what can be bought now.

    What live reservations hold stays theirs, and comes back on top if they are given up.
    """
    return _change_stock(lambda session: service.set_stock(session, product_id, wanted["stock"]))


@bp.post("/api/v1/products/import")
@requires_role(OPERATOR)
@bp.response(200, ImportReportSchema)
@bp.alt_response(401, "UNAUTHORIZED")
@bp.alt_response(403, "FORBIDDEN")
@bp.alt_response(409, "CONFLICT")
@bp.alt_response(502, "BAD_GATEWAY")
@bp.alt_response(503, "SERVICE_UNAVAILABLE")
@bp.alt_response(504, "GATEWAY_TIMEOUT")
def import_catalogue() -> service.ImportReport:
    """Import the catalogue that the setting `PRODUCTS_SOURCE_URL` names.

    New products come with their stock; known ones are updated and keep the stock that they have
    here.  Items that are no products are skipped, with the reasons.  When the source fails
    half-way, what came before stays; the call may be repeated.
    """
    return service.import_catalogue(_part("database"), _part("clients").source)


@reservations_bp.post("")
@requires_scope(SCOPE)
@reservations_bp.arguments(ReservationInputSchema)
@reservations_bp.response(201, ReservationSchema)
@reservations_bp.alt_response(200, schema=ReservationSchema, description="It was made before")
@reservations_bp.alt_response(409, "CONFLICT")
def reserve(wanted: dict[str, Any]) -> tuple[Reservation, int]:
    """Hold back all of the items, or none.

    The same id with the same items gives the same reservation.
    """
    now = _part("clock").now()
    seconds = settings_of(current_app).reservation_seconds
    reservation, is_new = _change_stock(
        lambda session: reservations.reserve(session, **wanted, now=now, seconds=seconds)
    )
    crash.here("products:after_reserve_before_answer")
    return reservation, 201 if is_new else 200


@reservations_bp.get("/<reservation:reservation_id>")
@requires_scope(SCOPE)
@reservations_bp.response(200, ReservationSchema)
@reservations_bp.alt_response(404, "NOT_FOUND")
def show_reservation(reservation_id: str) -> Reservation:
    """Show a reservation."""
    with _reading() as session:
        return reservations.get_reservation(session, reservation_id)


@reservations_bp.post("/<reservation:reservation_id>/confirm")
@requires_scope(SCOPE)
@reservations_bp.response(200, ReservationStatusSchema)
@reservations_bp.alt_response(404, "NOT_FOUND")
@reservations_bp.alt_response(409, "CONFLICT")
def confirm(reservation_id: str) -> dict[str, str]:
    """Make a reservation final."""
    now = _part("clock").now()
    status = _write(lambda session: reservations.confirm(session, reservation_id, now))
    return {"id": reservation_id, "status": status}


@reservations_bp.post("/<reservation:reservation_id>/release")
@requires_scope(SCOPE)
@reservations_bp.response(200, ReservationStatusSchema)
@reservations_bp.alt_response(409, "CONFLICT")
def release(reservation_id: str) -> dict[str, str]:
    """Give up a reservation.

    An id that is not known yet is refused from then on.  The answer for one that expired says so.
    """
    now = _part("clock").now()
    status = _write(lambda session: reservations.release(session, reservation_id, now))
    return {"id": reservation_id, "status": status}


@reservations_bp.post("/<reservation:reservation_id>/restock")
@requires_scope(SCOPE)
@reservations_bp.response(200, ReservationStatusSchema)
@reservations_bp.alt_response(404, "NOT_FOUND")
@reservations_bp.alt_response(409, "CONFLICT")
def restock(reservation_id: str) -> dict[str, str]:
    """Put the goods of a confirmed reservation back on sale."""
    now = _part("clock").now()
    status = _write(lambda session: reservations.restock(session, reservation_id, now))
    return {"id": reservation_id, "status": status}


@bp.get("/internal/operations")
@requires_scope(OPERATIONS_SCOPE)
@bp.response(200, OperationsSchema)
def show_operations() -> operations.Operations:
    """Show what an operator watches: how much is held back, and what should be on sale again."""
    return operations.look(_part("database"), _part("clients"), _part("clock").now())
