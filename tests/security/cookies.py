"""Say what is wrong with a cookie that the shop sets (case 124)."""

from typing import Final

MAX_BYTES: Final = 4096
PATHS: Final = ("/", "/api/v1/auth", "/api/v1/auth/refresh")


def flaws(line: str, *, production: bool) -> list[str]:
    """Return what a ``Set-Cookie`` header lacks, or has and may not have."""
    pair, *rest = line.split("; ")
    name = pair.partition("=")[0]
    attributes = {key.lower(): value for key, _, value in (each.partition("=") for each in rest)}
    path = attributes.get("path")
    found = {
        "is too long": len(line.encode()) > MAX_BYTES,
        "scripts can read it": "httponly" not in attributes,
        "other sites can send it": attributes.get("samesite") not in {"Lax", "Strict"},
        "other hosts get it": "domain" in attributes,
        "is for odd paths": path not in PATHS,
        "travels without TLS": production is not ("secure" in attributes),
        "has no prefix": production and not name.startswith(("__Host-", "__Secure-")),
        "has a prefix that does not fit": name.startswith("__Host-") and path != "/",
        "could have the stronger prefix": name.startswith("__Secure-") and path == "/",
    }
    return [f"{name}: {flaw}" for flaw, holds in found.items() if holds]
