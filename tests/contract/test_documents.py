"""Hold what every service answers against its committed OpenAPI document."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from tests.security.policy import PROTECTED, SERVED, each

# Every service has these, and orchestrators know them.
COMMON = {"/healthz", "/readyz", "/metrics", "/openapi.json"}
DESCRIBED = [operation for operation in SERVED if operation.path not in COMMON]
DOCUMENTS = Path(__file__).parents[2] / "contracts" / "openapi"


def document_of(service: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((DOCUMENTS / f"{service}.json").read_text())
    return document


def documented(operation: Any, status: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the document, and what it says of an answer with this status."""
    document = document_of(operation.service)
    responses = document["paths"][operation.path][operation.method.lower()]["responses"]
    response = responses.get(str(status)) or responses["default"]
    if "$ref" in response:
        response = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
    return document, response


def check(operation: Any, answer: Any) -> None:
    """Fail unless the answer has a documented media type and shape."""
    document, response = documented(operation, answer.status_code)
    content = response.get("content", {})
    if not content:
        assert answer.data in {b"", b"null\n"} or answer.status_code == 204
        return
    schema = content[answer.mimetype]["schema"]
    root = {**schema, "components": document["components"]}
    errors = list(Draft202012Validator(root).iter_errors(answer.get_json()))
    assert errors == []


@pytest.mark.parametrize("path", sorted(DOCUMENTS.glob("*.json")), ids=lambda path: path.stem)
def test_document_is_valid_openapi(path):
    validate(json.loads(path.read_text()))


@each(DESCRIBED)
def test_good_answer_is_as_documented(world, operation):
    answer = world.send(operation, world.entitled(operation), world.subject(operation))

    check(operation, answer)


@each(PROTECTED)
def test_refusal_is_as_documented(world, operation):
    answer = world.send(operation, "nobody")

    assert answer.status_code == 401
    check(operation, answer)
