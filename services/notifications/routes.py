"""Speak HTTP with operators; events come in at :mod:`messaging.consumer`."""

from typing import Any

from flask import current_app

from chassis.inbound.api import Blueprint
from chassis.inbound.identity import requires_scope

from . import operations
from .schemas import OperationsSchema
from .service import PostOffice

LOOK, ACT = "operations:read", "operations:write"

bp = Blueprint("operations", __name__, description="How the service is doing")


@bp.get("/internal/operations")
@requires_scope(LOOK)
@bp.response(200, OperationsSchema)
def show_operations() -> dict[str, Any]:
    """Show how the service is doing.

    That is the mails that wait to be sent, those that were given up, and its breakers.
    """
    return operations.overview(_office())


@bp.post("/internal/dead-letters/<event_id>/retry")
@requires_scope(ACT)
@bp.response(204)
@bp.alt_response(404, "NOT_FOUND")
def retry_dead_letter(event_id: str) -> None:
    """Have a mail that was given up sent after all, as if its event were new."""
    operations.retry_dead_letter(_office(), event_id)


def _office() -> PostOffice:
    office: PostOffice = current_app.extensions["consumer"]
    return office
