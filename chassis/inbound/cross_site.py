"""Refuse unsafe requests that another site made a browser send (CSRF).

Source: the rule of Go's ``net/http.CrossOriginProtection``: ``Sec-Fetch-Site`` decides where a
browser sends it, else ``Origin`` is held against ``Host``; with neither it is no browser.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def is_cross_site(method: str, headers: Mapping[str, str]) -> bool:
    """Tell whether a request has to be refused.

    A bearer header exempts it, since no other site can make a browser send one.
    """
    if method in SAFE_METHODS or headers.get("Authorization", "").lower().startswith("bearer "):
        return False
    site = headers.get("Sec-Fetch-Site")
    if site:
        return site not in {"same-origin", "none"}
    origin = headers.get("Origin")
    if not origin:
        return False
    return urlsplit(origin).netloc.lower() != headers.get("Host", "").lower()
