"""Find every operation that the applications serve, in their own routes and documents."""

import re
from collections.abc import Mapping
from typing import Any

from flask import Flask

AUTOMATIC = {"HEAD", "OPTIONS"}
PARAMETER, TEMPLATE = re.compile(r"<(?:[^<>:]+:)?([^<>]+)>"), r"{\1}"


def served_operations(apps: Mapping[str, Flask]) -> set[str]:
    """Return what the URL maps hold, as ``orders GET /api/v1/orders/{order_id}``."""
    return {
        f"{service} {method} {PARAMETER.sub(TEMPLATE, rule.rule)}"
        for service, app in apps.items()
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - AUTOMATIC
    }


def documented_operations(apps: Mapping[str, Flask]) -> dict[str, Mapping[str, Any]]:
    """Return the operations of the OpenAPI documents under the same names.

    Each has its ``security``, and what it takes: ``json`` is the schema of its body with all
    references resolved, ``query`` and ``headers`` are the schemas of its parameters by name.
    """
    found = {}
    for service, app in apps.items():
        document = app.test_client().get("/openapi.json").get_json()
        for path, item in document["paths"].items():
            for method, operation in item.items():
                if method != "parameters":
                    found[f"{service} {method.upper()} {path}"] = _described(document, operation)
    return found


def _described(document: Mapping[str, Any], operation: Mapping[str, Any]) -> dict[str, Any]:
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema")
    parameters = _resolved(document, operation.get("parameters", []))
    return {
        "security": operation.get("security"),
        "json": _resolved(document, schema),
        "query": {p["name"]: p["schema"] for p in parameters if p["in"] == "query"},
        "headers": {p["name"]: p["schema"] for p in parameters if p["in"] == "header"},
    }


def _resolved(document: Mapping[str, Any], value: Any) -> Any:
    if isinstance(value, list):
        return [_resolved(document, item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        target: Any = document
        for name in value["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        return _resolved(document, target)
    return {name: _resolved(document, member) for name, member in value.items()}
