"""Hold the pages of the catalogue against one sorted list."""

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from contracts.money import Money
from services.products import service
from services.products.domain import SORTS, ProductQuery
from services.products.models import Product
from services.products.schemas import ProductArguments

LIST = "/api/v1/products"

# Few different values make many ties.
rows = st.tuples(
    st.sampled_from(["", "A", "a", "É", "flask", "瓶"]), st.integers(0, 2), st.integers(0, 2)
)


def add(session, drawn):
    products = []
    for title, price, stock in drawn:
        product = Product(stock=stock)
        values = {"title": title, "brand": "b", "category": "c", "description": "", "tags": []}
        product.assign({**values, "price": Money(price)})
        products.append(product)
    session.add_all(products)
    session.flush()
    return products


def sort_value(product, sort):
    key = {"price": "price_minor"}.get(sort.removeprefix("-"), sort.removeprefix("-"))
    return getattr(product, key), product.id


@settings(max_examples=60, deadline=None)
@given(
    first=st.lists(rows, max_size=12),
    later=st.lists(st.lists(rows, max_size=2), max_size=4),
    sort=st.sampled_from(SORTS),
    limit=st.integers(1, 5),
    in_stock=st.sampled_from([None, True, False]),
)
def test_pages_are_one_sorted_list_while_rows_come_in(
    empty_database, first, later, sort, limit, in_stock
):
    with empty_database.write() as session:
        session.execute(delete(Product))
        present = add(session, first)
        wanted = [p for p in present if in_stock is None or (p.stock > 0) == in_stock]
        arrivals, seen, cursor = iter(later), [], None
        while True:
            query = ProductQuery(sort=sort, limit=limit, in_stock=in_stock, cursor=cursor)
            page = service.list_products(session, query)
            seen += page["data"]
            cursor = page["next"]
            if cursor is None:
                break
            add(session, next(arrivals, []))

    expected = sorted(
        wanted, key=lambda product: sort_value(product, sort), reverse=sort.startswith("-")
    )
    values = [sort_value(product, sort) for product in seen]
    assert [product for product in seen if product in present] == expected
    assert values == sorted(set(values), reverse=sort.startswith("-"))


def cursor_of(client, **query):
    return client.get(LIST, query_string={"limit": 1, **query}).get_json()["next"]


def reencoded(cursor, change):
    values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    changed = json.dumps(change(values)).encode()
    return base64.urlsafe_b64encode(changed).rstrip(b"=").decode()


def test_list_walks_through_everything_over_http(client):
    cursor, seen = cursor_of(client, sort="-title"), [3]
    while cursor:
        page = client.get(LIST, query_string={"limit": 1, "sort": "-title", "cursor": cursor})
        seen += [product["id"] for product in page.get_json()["data"]]
        cursor = page.get_json()["next"]

    assert seen == [3, 2, 1]


@pytest.mark.parametrize(
    "other", [{"sort": "-price"}, {"sort": "id"}, {"in_stock": "true"}, {"q": "potion"}]
)
def test_cursor_of_another_list_is_refused(client, other):
    cursor = cursor_of(client, sort="price")

    answer = client.get(LIST, query_string={"sort": "price", "cursor": cursor, **other})

    assert (answer.status_code, list(answer.get_json()["errors"])) == (422, ["cursor"])


def test_cursor_may_be_used_with_another_limit(client):
    cursor = cursor_of(client)

    answer = client.get(LIST, query_string={"cursor": cursor, "limit": 50})

    assert [product["id"] for product in answer.get_json()["data"]] == [2, 3]


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values[:-1],
        lambda values: [*values, 1],
        lambda values: [values[0], str(values[1])],
        lambda values: [values[0], None],
        lambda values: [values[0], True],
        lambda values: [values[0], 1.0],
        lambda values: [values[0], 10**30],
        lambda values: [values[0], [1]],
        lambda values: {"id": 1},
        lambda values: "x",
    ],
)
def test_cursor_that_was_tampered_with_is_refused(client, change):
    answer = client.get(LIST, query_string={"cursor": reencoded(cursor_of(client), change)})

    assert (answer.status_code, list(answer.get_json()["errors"])) == (422, ["cursor"])


@pytest.mark.parametrize("cursor", ["", "x", "====", "é", "W10", "bnVsbA", "%", "A" * 5000])
def test_text_that_is_no_cursor_is_refused(client, cursor):
    assert client.get(LIST, query_string={"cursor": cursor}).status_code == 422


def test_cursor_of_the_longest_title_fits(client, operator, app):
    with app.extensions["database"].write() as session:
        for product in add(session, [("😀" * 200, 1, 1)] * 2):
            assert len(product.title) == 200

    cursor = cursor_of(client, sort="-title")

    assert len(cursor) <= ProductArguments().fields["cursor"].validate[0].max
    assert client.get(LIST, query_string={"sort": "-title", "cursor": cursor}).status_code == 200
