"""Make the headers that strangers send: for a victim's browser, or to be somebody else."""

from collections.abc import Mapping

FORMS = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x")
"""Types of a body that a page may send to another site without asking it."""


def cross_site(host: str) -> dict[str, dict[str, str]]:
    """Return headers as browsers send them to ``host`` from elsewhere."""
    name, _, _ = host.partition(":")
    return {
        "cross-site": {"Sec-Fetch-Site": "cross-site"},
        "same-site": {"Sec-Fetch-Site": "same-site"},
        "cross-site from its own origin": {
            "Sec-Fetch-Site": "cross-site",
            "Origin": f"http://{host}",
        },
        "an unheard-of relation": {"Sec-Fetch-Site": "elsewhere"},
        "a foreign origin": {"Origin": "https://evil.example"},
        "no origin to speak of": {"Origin": "null"},
        "another port": {"Origin": f"http://{name}:81"},
        "a longer name": {"Origin": f"http://{host}.evil.example"},
        "a name that ends alike": {"Origin": f"http://evil-{host}"},
        "a name before an at sign": {"Origin": f"http://{host}@evil.example"},
    }


def claims_to_be(operator_id: str) -> Mapping[str, str]:
    """Return headers that name an operator, a service, or this machine as the sender."""
    return {
        "X-User-Id": operator_id, "x-user-id": operator_id, "X_User_Id": operator_id,
        "X-User": "admin", "X-User-Role": "operator", "X-Roles": "operator",
        "X-Forwarded-User": "admin", "X-Remote-User": "admin", "Remote-User": "admin",
        "X-Authenticated-Userid": operator_id, "X-Internal-Token": "orders",
        "X-Scope": "payments:write reservations:write", "X-Forwarded-For": "::1",
        "Forwarded": "for=127.0.0.1", "X-Original-Url": "/healthz", "X-Rewrite-Url": "/healthz",
    }  # fmt: skip
