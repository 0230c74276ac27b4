"""Hold what everybody may ask of the catalogue against the contract."""

import pytest

from .conftest import an_item

LIST = "/api/v1/products"


@pytest.fixture(scope="module")
def items():
    return [
        an_item(1, title="Élixir of 100% Uptime", tags=["mint", "slow"], price=12.5),
        an_item(2, title="Plain_Flask", brand="Meridian", category="flasks", price=30),
        an_item(3, title="PlainXFlask", category="flasks", stock=0, tags=["peppermint"]),
        an_item(4, title="Straße Tonic", description="C:\\potions\\tonic", price=7),
    ]


@pytest.fixture
def found(client):
    """Return the ids of the products that a query finds."""

    def found(**query):
        answer = client.get(LIST, query_string=query)
        assert answer.status_code == 200, answer.get_json()
        return [product["id"] for product in answer.get_json()["data"]]

    return found


def test_article_list_has_the_shape_that_the_articles_teach(client, customer):
    answer = client.get("/products", headers=customer)

    first = answer.get_json()["data"][0]
    assert answer.status_code == 200
    assert list(first) == ["id", "title", "brand", "price", "description"]
    assert first["price"] == 12.5
    assert b'"price":12.5' in answer.data


def test_article_list_needs_somebody_signed_in(client, orders):
    missing = client.get("/products")
    invalid = client.get("/products", headers={"Authorization": "Bearer x.y.z"})
    service = client.get("/products", headers=orders)

    assert missing.get_json()["error"] == "Authorization token is missing"
    assert invalid.get_json()["error"] == "Authorization token is invalid"
    assert [a.status_code for a in (missing, invalid, service)] == [401, 401, 401]


def test_product_is_described_in_full(client):
    product = client.get(f"{LIST}/1").get_json()

    assert product == {
        "id": 1,
        "title": "Élixir of 100% Uptime",
        "brand": "Cauldron & Sons",
        "category": "potions",
        "description": "Tastes of rain.",
        "price": {"amount_minor": 1250, "currency": "USD"},
        "stock": 10,
        "thumbnail": "/static/products/1.svg",
        "tags": ["mint", "slow"],
    }


def test_product_that_is_not_there_is_404(client):
    answer = client.get(f"{LIST}/999")

    assert (answer.status_code, answer.get_json()["code"]) == (404, "product_not_found")


def test_categories_are_counted_and_named(client):
    categories = client.get(f"{LIST}/categories").get_json()["data"]

    assert categories == [
        {"slug": "flasks", "name": "Flasks", "count": 2},
        {"slug": "potions", "name": "Potions", "count": 2},
    ]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({"category": "flasks"}, [2, 3]),
        ({"brand": "Meridian"}, [2]),
        ({"tag": "mint"}, [1, 2, 4]),
        ({"tag": "min"}, []),
        ({"min_price": 1050, "max_price": 1250}, [1, 3]),
        ({"min_price": 2, "max_price": 1}, []),
        ({"in_stock": "true"}, [1, 2, 4]),
        ({"in_stock": "false"}, [3]),
        ({"ids": "4,999,2,4"}, [2, 4]),
        ({"category": "flasks", "in_stock": "true"}, [2]),
        ({"category": ""}, []),
    ],
)
def test_filters_leave_what_they_say(found, query, ids):
    assert found(**query) == ids


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("élixir", [1]),
        ("ÉLIXIR", [1]),
        ("STRASSE", [4]),
        ("meridian", [2]),
        ("tastes of", [1, 2, 3]),
        ("%", [1]),
        ("_", [2]),
        ("n_f", [2]),
        ("\\", [4]),
        ("/", []),
        ("' OR 1=1 --", []),
        ("", [1, 2, 3, 4]),
    ],
)
def test_search_takes_text_as_it_stands_in_any_case(found, text, ids):
    assert found(q=text) == ids


def test_list_of_ids_is_whole_unless_a_limit_is_given(client):
    ids = ",".join(str(number) for number in range(1, 101))

    whole = client.get(LIST, query_string={"ids": ids}).get_json()
    part = client.get(LIST, query_string={"ids": ids, "limit": 3}).get_json()

    assert (len(whole["data"]), whole["next"]) == (4, None)
    assert len(part["data"]) == 3
    assert part["next"]


@pytest.mark.parametrize(
    "query",
    [
        *(
            "limit=0",
            "limit=101",
            "limit=-1",
            "limit=1e1",
            "limit=\uff11",
            "limit=",
            "limit=1&limit=1",
        ),
        *(
            "ids=",
            "ids=x",
            "ids=0",
            "ids=-1",
            "ids=1,,2",
            "ids=2147483648",
            "ids=1%00",
            "ids=\uff11",
        ),
        "ids=" + ",".join(["1"] * 101),
        "ids=" + "9" * 5000,
        *("ids[]=1", "ids=1&ids=2", "sort=stock_level", "sort=", "sort=id,title", "sort=+id"),
        *("min_price=1.5", "min_price=-1", "max_price=99999999999999999999", "in_stock=1"),
        *(
            "q=%00",
            "q=" + "x" * 101,
            "q=%ED%A0%80%00",
            "categry=flasks",
            "tag=MINT",
            "tag=mint|slow",
        ),
    ],
)
def test_query_that_makes_no_sense_is_refused(client, query):
    answer = client.get(f"{LIST}?{query}")

    assert answer.status_code == 422
    assert answer.get_json()["errors"]


@pytest.mark.parametrize(
    "product_id",
    [
        *("0", "-1", "01", "+1", "1e5", "1.0", "\uff11\uff12", "%00", "1%00", "1%0a", "{1}", "1'"),
        *("12345678901234567890", "4294967297", "550e8400-e29b-41d4-a716-446655440000"),
    ],
)
def test_id_that_is_no_id_is_404(client, product_id):
    assert client.get(f"{LIST}/{product_id}").status_code == 404


def test_description_of_the_api_names_every_route_and_who_may_call_it(client):
    paths = client.get("/openapi.json").get_json()["paths"]

    guarded = {
        f"{method.upper()} {path}"
        for path, operations in paths.items()
        for method, operation in operations.items()
        if method != "parameters" and "security" in operation
    }
    assert {path for path in paths if path.startswith("/api/v1")} == {
        "/api/v1/products",
        "/api/v1/products/categories",
        "/api/v1/products/import",
        "/api/v1/products/{product_id}",
        "/api/v1/products/{product_id}/stock",
    }
    assert not [name for name in guarded if name.startswith("GET /api/v1")]
    assert {name for name in guarded if "/internal/" in name} == {
        f"{method} {path}"
        for path, operations in paths.items()
        if path.startswith("/internal/")
        for method in (name.upper() for name in operations if name != "parameters")
    }


def test_shared_caches_may_keep_a_page_and_clients_ask_whether_it_is_the_same(client):
    first = client.get("/api/v1/products/1")
    again = client.get("/api/v1/products/1", headers={"If-None-Match": first.headers["ETag"]})

    assert first.headers["Cache-Control"] == "public, s-maxage=1, max-age=0"
    assert (again.status_code, again.data) == (304, b"")
    assert client.get("/api/v1/products/999999").headers["Cache-Control"] == "no-store"
