"""Read the schemas of events, and hold documents against them."""

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

FOLDER = Path(__file__).parents[2] / "contracts" / "events"
SCHEMAS = {path.name: json.loads(path.read_text("utf-8")) for path in FOLDER.glob("*.json")}
REGISTRY: Registry[Any] = Registry().with_resources(
    (name, Resource.from_contents(schema)) for name, schema in SCHEMAS.items()
)
TYPES = {name.removesuffix(".v1.json") for name in SCHEMAS} - {"envelope", "order"}


def faults(name: str, document: Any) -> list[str]:
    """Return what is wrong with a document by the named schema."""
    formats = Draft202012Validator.FORMAT_CHECKER
    validator = Draft202012Validator(SCHEMAS[name], registry=REGISTRY, format_checker=formats)
    return [error.message for error in validator.iter_errors(document)]
