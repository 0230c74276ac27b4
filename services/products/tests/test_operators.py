"""Hold what operators may change, and nobody else, against the contract."""

import pytest

from .conftest import a_product

LIST = "/api/v1/products"
WRITES = [
    ("POST", LIST, a_product()),
    ("PATCH", f"{LIST}/1", {"title": "Renamed"}),
    ("PUT", f"{LIST}/1/stock", {"stock": 5}),
    ("POST", f"{LIST}/import", None),
]


def test_operator_adds_a_product(client, operator):
    answer = client.post(LIST, json=a_product(), headers=operator)

    product = answer.get_json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"{LIST}/{product['id']}"
    assert product == {**a_product(), "id": product["id"], "thumbnail": None}
    assert client.get(answer.headers["Location"]).get_json() == product


def test_what_may_be_left_out_of_a_new_product_is_empty(client, operator):
    product = a_product()
    for name in ("description", "stock", "tags"):
        del product[name]

    answer = client.post(LIST, json=product, headers=operator).get_json()

    assert (answer["description"], answer["stock"], answer["tags"]) == ("", 0, [])


@pytest.mark.parametrize("name", ["title", "brand", "category", "price"])
def test_new_product_lacks_nothing_that_matters(client, operator, name):
    product = a_product()
    del product[name]

    answer = client.post(LIST, json=product, headers=operator)

    assert (answer.status_code, list(answer.get_json()["errors"])) == (422, [name])


@pytest.mark.parametrize(("name", "value"), a_product(title="Big Alembic", tags=["a", "b"]).items())
def test_operator_changes_one_thing_and_leaves_the_rest(client, operator, name, value):
    before = client.get(f"{LIST}/1").get_json()

    answer = client.patch(f"{LIST}/1", json={name: value}, headers=operator)

    assert answer.status_code == 200
    assert answer.get_json() == {**before, name: value}
    assert client.get(f"{LIST}/1").get_json() == {**before, name: value}


def test_renamed_product_is_found_under_its_new_name_only(client, operator):
    client.patch(f"{LIST}/1", json={"title": "Draught of Sleep"}, headers=operator)

    found = client.get(f"{LIST}?q=SLEEP").get_json()["data"]
    under_old_name = client.get(f"{LIST}?q=potion 1").get_json()["data"]
    assert [product["id"] for product in found] == [1]
    assert under_old_name == []


def test_operator_sets_the_stock(client, operator, stock_of):
    answer = client.put(f"{LIST}/1/stock", json={"stock": 77}, headers=operator)

    assert (answer.status_code, answer.get_json()["stock"], stock_of(1)) == (200, 77, 77)


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
def test_only_operators_write(client, customer, orders, method, path, body):
    before = client.get(LIST).get_json()

    anonymous = client.open(path, method=method, json=body)
    buyer = client.open(path, method=method, json=body, headers=customer)
    service = client.open(path, method=method, json=body, headers=orders)

    assert [a.status_code for a in (anonymous, buyer, service)] == [401, 403, 401]
    assert client.get(LIST).get_json() == before


def test_who_may_not_write_learns_nothing_about_the_input(client, customer):
    answer = client.post(LIST, data="{", headers=customer)

    assert answer.status_code == 403


@pytest.mark.parametrize("path", [f"{LIST}/999", f"{LIST}/999/stock"])
def test_product_that_is_not_there_can_not_be_changed(client, operator, path):
    method = "PUT" if path.endswith("stock") else "PATCH"

    answer = client.open(path, method=method, json={"stock": 1}, headers=operator)

    assert (answer.status_code, answer.get_json()["code"]) == (404, "product_not_found")


@pytest.mark.parametrize(
    "member",
    ["id", "created_at", "source_key", "price_minor", "search_text", "thumbnail", "role", "status"],
)
@pytest.mark.parametrize(("method", "path", "body"), WRITES[:3])
def test_nothing_is_written_that_was_not_offered(client, operator, method, path, body, member):
    before = client.get(LIST).get_json()

    answer = client.open(path, method=method, json={**body, member: 7}, headers=operator)

    assert (answer.status_code, list(answer.get_json()["errors"])) == (422, [member])
    assert client.get(LIST).get_json() == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("title", bad) for bad in ("", "   ", "x" * 201, 1, None, "a\x00b", "\ud800")),
        *(("category", bad) for bad in ("", "Two Words", "a--b", "-a", "ä", "flasks\n", "x" * 65)),
        *(("description", bad) for bad in ("x" * 5001, None, ["x"])),
        *(("price", bad) for bad in (1, "1", {"amount_minor": -1, "currency": "USD"}, None)),
        *(("price", {"amount_minor": bad, "currency": "USD"}) for bad in (1.5, "1", True, 2**53)),
        *(("price", {"amount_minor": 1, "currency": bad}) for bad in ("EUR", "", None)),
        *(("stock", bad) for bad in (-1, 1.5, "1", True, 1_000_001, 2**31, 2**63 - 1, None)),
        *(("tags", bad) for bad in ("mint", ["a|b"], ["Mint"], [""], ["x"] * 11, [1], None)),
    ],
)
def test_value_that_makes_no_sense_is_refused(client, operator, name, value):
    before = client.get(f"{LIST}/1").get_json()

    created = client.post(LIST, json=a_product(**{name: value}), headers=operator)
    changed = client.patch(f"{LIST}/1", json={name: value}, headers=operator)

    assert (created.status_code, changed.status_code) == (422, 422)
    assert client.get(f"{LIST}/1").get_json() == before


def test_empty_change_changes_nothing(client, operator):
    before = client.get(f"{LIST}/1").get_json()

    answer = client.patch(f"{LIST}/1", json={}, headers=operator)

    assert (answer.status_code, answer.get_json()) == (200, before)


def test_wrong_method_is_told_the_right_ones(client, operator):
    answer = client.delete(f"{LIST}/1", headers=operator)

    assert answer.status_code == 405
    assert {"GET", "PATCH"} <= set(answer.headers["Allow"].split(", "))
