"""Serve accounts: to their owners, to operators, and to other services."""

from typing import Any

from flask import current_app

from chassis.errors import ServiceError
from chassis.inbound.api import Blueprint
from chassis.inbound.audit import record
from chassis.inbound.identity import (
    current_principal,
    requires_role,
    requires_scope,
    requires_user,
)
from chassis.inbound.pagination import PageArguments, decode_cursor, encode_cursor, page_schema

from . import service
from .row_mapper import map_account
from .schemas import AccountSchema, ChangesSchema, PersonSchema

bp = Blueprint("accounts", __name__, description="What is known of people")


def _directory() -> service.Directory:
    directory: service.Directory = current_app.extensions["directory"]
    return directory


def _me() -> str:
    return current_principal().subject


@bp.get("/api/v1/accounts/me")
@requires_user
@bp.response(200, AccountSchema)
@bp.alt_response(503, "SERVICE_UNAVAILABLE")
def show_me() -> dict[str, Any]:
    """Show one's own account.

    Right after a registration it may take a moment: 503 `account_not_ready` says to ask again.
    """
    return map_account(service.show_account(_directory(), _me()))


@bp.patch("/api/v1/accounts/me")
@requires_user
@bp.arguments(ChangesSchema)
@bp.response(200, AccountSchema)
@bp.alt_response(503, "SERVICE_UNAVAILABLE")
def change_me(changes: dict[str, Any]) -> dict[str, Any]:
    """Change one's own names, language and addresses.

    What is left out stays as it is; addresses are replaced all together.
    """
    return map_account(service.change_account(_directory(), _me(), changes))


@bp.delete("/api/v1/accounts/me")
@requires_user
@bp.response(204)
@bp.alt_response(409, "CONFLICT")
@bp.alt_response(503, "SERVICE_UNAVAILABLE")
def erase_me() -> None:
    """Have everything erased that the shop knows of oneself, the sign-in included.

    Orders are kept for the books, with the addresses that they were sent to.
    """
    try:
        service.erase_account(_directory(), _me())
    except ServiceError as error:
        record("account.erase", "refused", user=_me(), reason=error.code)
        raise
    record("account.erase", "allowed", user=_me())


@bp.get("/api/v1/accounts/me/export")
@requires_user
@bp.response(200, AccountSchema)
@bp.alt_response(503, "SERVICE_UNAVAILABLE")
def export_me() -> tuple[dict[str, Any], dict[str, str]]:
    """Download everything that is known of oneself here."""
    exported = map_account(service.show_account(_directory(), _me()))
    record("account.export", "allowed", user=_me())
    return exported, {"Content-Disposition": 'attachment; filename="account.json"'}


@bp.get("/api/v1/accounts/<criterion>/<path:value>")
@requires_role("operator")
@bp.arguments(PageArguments, location="query")
@bp.response(200, page_schema(AccountSchema))
@bp.alt_response(400, "BAD_REQUEST")
def find_accounts(page: dict[str, Any], criterion: str, value: str) -> dict[str, Any]:
    """Find accounts by `id`, `username`, `email`, `family_name` or `city`.

    Upper and lower case are alike, except in ids.
    """
    after = decode_cursor(page["cursor"], (str,))[0] if page["cursor"] is not None else None
    limit = page["limit"]
    accounts = service.find_accounts(_directory(), criterion, value, limit + 1, after)
    # Not the value, which may be somebody's name.
    record("account.query", "allowed", user=_me(), criterion=criterion)
    following = encode_cursor([accounts[limit - 1].id]) if len(accounts) > limit else None
    return {"data": [map_account(account) for account in accounts[:limit]], "next": following}


@bp.get("/internal/accounts/<user_id>")
@requires_scope("accounts:read")
@bp.response(200, PersonSchema)
@bp.alt_response(404, "NOT_FOUND")
def show_person(user_id: str) -> dict[str, Any]:
    """Show another service who somebody is."""
    return map_account(service.known_account(_directory(), user_id))
