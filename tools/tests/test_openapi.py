import json

import pytest

from gateway.routes import Access, Route, RouteTable
from tools import openapi

GET = frozenset({"GET"})
TABLE = RouteTable(
    [
        Route("/products", "products", GET, Access.PUBLIC),
        Route("/orders/*", "orders", GET, Access.PUBLIC),
    ]
)


def a_document(*paths, schema="Problem"):
    answer = {"$ref": f"#/components/schemas/{schema}"}
    operation = {"tags": ["area"], "security": [{"bearer": []}], "responses": {"default": answer}}
    return {
        "paths": {path: {"get": operation, "post": operation, "parameters": []} for path in paths},
        "components": {"schemas": {schema: {}}, "securitySchemes": {"bearer": {}}},
    }


def test_only_what_the_gateway_lets_through_is_in_the_document_of_the_whole():
    documents = {"products": a_document("/products", "/internal/stock")}

    whole = openapi.join(documents, TABLE)

    assert list(whole["paths"]) == ["/products"]
    assert sorted(whole["paths"]["/products"]) == ["get", "parameters"]
    assert whole["tags"] == [{"name": "products"}]


def test_schemas_of_one_name_stay_apart():
    documents = {"products": a_document("/products"), "orders": a_document("/orders/{id}")}

    whole = openapi.join(documents, TABLE)

    assert sorted(whole["components"]["schemas"]) == ["orders.Problem", "products.Problem"]
    assert list(whole["components"]["securitySchemes"]) == ["bearer"]
    operation = whole["paths"]["/orders/{id}"]["get"]
    assert operation["responses"]["default"] == {"$ref": "#/components/schemas/orders.Problem"}
    assert operation["tags"] == ["orders"]


def test_file_that_is_missing_or_differs_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(openapi, "ROOT", tmp_path)
    texts = {tmp_path / f"{name}.json": "{}\n" for name in ("same", "other", "missing")}
    (tmp_path / "same.json").write_text("{}\n")
    (tmp_path / "other.json").write_text("{ }\n")

    named = [fault.split(" ")[0] for fault in openapi.faults(texts)]

    assert named == ["other.json", "missing.json"]


@pytest.mark.parametrize("service", openapi.services())
def test_service_documents_itself(service, tmp_path):
    document = openapi.document_of(service, tmp_path)

    assert document["paths"]
    assert json.dumps(document)


def test_writing_makes_the_check_pass(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(openapi, "ROOT", tmp_path)
    monkeypatch.setattr(openapi, "FOLDER", tmp_path / "openapi")
    monkeypatch.setattr(openapi, "services", lambda: ["greetings"])

    before = openapi.main(["--check"])
    openapi.main([])

    assert (before, openapi.main(["--check"])) == (1, 0)
    assert "greetings.json is out of date" in capsys.readouterr().err
