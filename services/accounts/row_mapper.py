"""Map rows of accounts to what can be written as JSON.

Pattern: Data mapper (Fowler, Patterns of Enterprise Application Architecture, chapter 10), in its
reading half, which database libraries call a row mapper.
"""

from typing import Any

from .models import Account, Address


def map_account(row: Account) -> dict[str, Any]:
    """Return all that is kept of somebody, without the forms that only serve to compare."""
    return {
        "id": row.id,
        "username": row.username,
        "email": row.email,
        "given_name": row.given_name,
        "family_name": row.family_name,
        "language": row.language,
        "addresses": [_map_address(address) for address in row.addresses],
        "created_at": row.created_at.isoformat(),
    }


def _map_address(row: Address) -> dict[str, str]:
    names = ("name", "line1", "line2", "city", "postal_code", "country")
    return {name: text for name in names if (text := getattr(row, name)) is not None}
