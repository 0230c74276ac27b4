"""Import from a catalogue API that listens on loopback, well or badly."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from chassis.outbound.breaker import BreakerPolicy
from services.products.clients import Clients, HTTPCatalogueSource

from .conftest import an_item

IMPORT = "/api/v1/products/import"


class CatalogueAPI:
    """Answer as DummyJSON does, unless told to answer something else."""

    def __init__(self, items=()):
        self.items = list(items)
        self.answer = None
        self.asked = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                api.asked.append(self.path)
                status, body = api.answer or (200, api.page(self.path))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                """Keep quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/products"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def page(self, path):
        query = parse_qs(urlsplit(path).query)
        skip, limit = int(query["skip"][0]), int(query["limit"][0])
        products = self.items[skip : skip + limit]
        page = {"products": products, "total": len(self.items), "skip": skip, "limit": limit}
        return json.dumps(page).encode()

    def stop(self):
        if self.thread.is_alive():
            self.server.shutdown()
            self.server.server_close()
            self.thread.join()


@pytest.fixture
def api():
    api = CatalogueAPI()
    yield api
    api.stop()


@pytest.fixture
def importer(app, api, mint):
    """Return the service, told to import from the API."""
    source = HTTPCatalogueSource(api.url, BreakerPolicy())
    app.extensions["clients"] = Clients(mint, source)
    return app


@pytest.fixture
def run_import(importer, operator):
    return lambda **kwargs: importer.test_client().post(IMPORT, headers=operator, **kwargs)


@pytest.fixture
def titles(client):
    return lambda: {
        product["title"]: product
        for product in client.get("/api/v1/products?limit=100&sort=-id").get_json()["data"]
    }


def test_products_of_all_pages_come_in_beside_the_own_ones(api, run_import, titles):
    api.items = [an_item(number, title=f"Import {number}", price=0.99) for number in range(1, 251)]

    answer = run_import()

    body = {"imported": 250, "updated": 0, "skipped": 0, "reasons": []}
    assert (answer.status_code, answer.get_json()) == (200, body)
    assert [path.partition("?")[2] for path in api.asked] == [
        "limit=100&skip=0",
        "limit=100&skip=100",
        "limit=100&skip=200",
    ]
    assert titles()["Import 250"]["price"] == {"amount_minor": 99, "currency": "USD"}


def test_second_import_updates_everything_but_the_stock(api, run_import, titles):
    api.items = [an_item(1, title="Imported", stock=5)]
    run_import()
    product_id = titles()["Imported"]["id"]
    api.items = [an_item(1, title="Imported anew", stock=500, price=3, tags=[], thumbnail=None)]

    answer = run_import()

    product = titles()["Imported anew"]
    assert (answer.get_json()["imported"], answer.get_json()["updated"]) == (0, 1)
    assert (product["id"], product["stock"], product["tags"]) == (product_id, 5, [])
    assert "Imported" not in titles()


def test_repeated_item_is_imported_once(api, run_import, titles):
    api.items = [an_item(1, title="First"), an_item(1, title="Second")]

    answer = run_import().get_json()

    assert (answer["imported"], answer["updated"]) == (1, 1)
    assert "Second" in titles()


def test_item_as_dummyjson_has_it_is_imported(api, run_import, titles):
    item = an_item(7, title="Mascara", category="beauty", thumbnail="https://cdn.example/1.webp")
    del item["brand"]
    api.items = [{**item, "rating": 4.9, "dimensions": {"width": 15.1}, "reviews": []}]

    assert run_import().get_json()["imported"] == 1
    assert titles()["Mascara"]["brand"] == ""


@pytest.mark.parametrize(
    ("bad", "members"),
    [
        *((an_item(2, price=bad), ["price"]) for bad in (-1, 0.001, 1e30, True, None, "x", [])),
        *((an_item(2, stock=bad), ["stock"]) for bad in (-1, 1.5, "1", True, 2**63)),
        *((an_item(2, title=bad), ["title"]) for bad in ("", " ", None, 7, "a\x00", "\ud800")),
        *((an_item(2, category=bad), ["category"]) for bad in ("", "Two Words", None)),
        *((an_item(bad), ["id"]) for bad in (0, -1, "1", None, 2**31, True)),
        *((an_item(2, thumbnail=bad), ["thumbnail"]) for bad in ("javascript:x", "//evil.test/x")),
        (an_item(2, tags=["a|b"]), ["tags"]),
        *((bad, ["_schema"]) for bad in (None, 1, "x", [])),
    ],
)
def test_bad_item_is_skipped_with_the_reason(api, run_import, titles, bad, members):
    api.items = [an_item(1, title="Good"), bad, an_item(3, title="Good too")]

    answer = run_import()

    report = answer.get_json()
    assert (answer.status_code, report["imported"], report["skipped"]) == (200, 2, 1)
    assert [(r["position"], list(r["errors"])) for r in report["reasons"]] == [(1, members)]


def test_reasons_stop_at_a_hundred_while_all_are_counted(api, run_import):
    api.items = [{}] * 130

    report = run_import().get_json()

    assert (report["skipped"], len(report["reasons"])) == (130, 100)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>Welcome</html>"),
        (200, b""),
        (200, b"[]"),
        (200, b'{"data": []}'),
        (200, b'{"products": {}, "total": 1}'),
        (200, b'{"products": [], "total": "1"}'),
        (200, b"[" * 100_000),
        (302, b"{}"),
        (404, b"{}"),
        (500, b"oops"),
    ],
)
def test_source_that_answers_rubbish_is_a_bad_gateway(api, run_import, titles, status, body):
    before = titles()
    api.answer = (status, body)

    assert run_import().status_code == 502
    assert titles() == before


def test_source_that_is_gone_is_reported_and_then_left_alone(api, run_import):
    api.stop()

    codes = [run_import().get_json()["code"] for _ in range(7)]

    assert codes[0] == "unavailable"
    assert codes[-1] == "circuit_open"


def test_source_that_claims_more_than_it_gives_comes_to_an_end(api, run_import):
    api.answer = (200, json.dumps({"products": [], "total": 10**9}).encode())

    assert run_import().get_json()["imported"] == 0
    assert len(api.asked) == 1


def test_pages_before_a_failure_stay(api, run_import, titles):
    api.items = [an_item(number, title=f"Import {number}") for number in range(1, 102)]
    page = api.page
    api.page = lambda path: page(path) if "skip=0" in path else b"<html>"

    assert run_import().status_code == 502
    assert len(titles()) == 100
    api.page = page
    assert run_import().get_json()["imported"] == 1


def test_nobody_chooses_the_source_but_the_operator_of_the_process(api, run_import):
    answer = run_import(json={"url": "http://169.254.169.254/"})

    assert (answer.status_code, list(answer.get_json()["errors"])) == (422, ["url"])
    assert run_import(json={}).status_code == 200
    assert len(api.asked) == 1


def test_import_without_a_source_is_refused(client, operator):
    answer = client.post(IMPORT, headers=operator)

    assert (answer.status_code, answer.get_json()["code"]) == (409, "import_not_configured")


@pytest.mark.parametrize("path", ["", "/", "/products", "/products/"])
def test_address_without_a_path_means_the_products_there(api, path):
    address = api.url.removesuffix("/products")

    list(HTTPCatalogueSource(address + path, BreakerPolicy()).pages())

    assert api.asked == ["/products?limit=100&skip=0"]


def test_command_line_shows_how_far_the_import_is(api, importer, monkeypatch):
    monkeypatch.setattr("click._termui_impl.isatty", lambda _: True)
    api.items = [*(an_item(number) for number in range(1, 201)), {}]

    result = importer.test_cli_runner().invoke(args=["import-catalogue"])

    assert result.exit_code == 0
    assert [f"{done}/201" in result.output for done in (100, 200, 201)] == [True] * 3
    assert "skipped item 200" in result.output
    assert result.output.endswith("200 imported, 0 updated, 1 skipped\n")


def test_command_line_says_in_a_sentence_what_went_wrong(api, importer):
    api.answer = (404, b"{}")

    result = importer.test_cli_runner().invoke(args=["import-catalogue"])

    assert result.exit_code == 1
    assert result.output.endswith("Error: The import stopped: The catalogue source answered 404.\n")


def test_command_line_names_the_setting_that_is_missing(app):
    result = app.test_cli_runner().invoke(args=["import-catalogue"])

    assert result.exit_code == 1
    assert "Error: The import stopped: Set PRODUCTS_SOURCE_URL" in result.output
