"""Hold the cart against the contract."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from contracts.money import MAX_AMOUNT_MINOR, Money


@pytest.fixture
def put(client, alice):
    def put(product_id, quantity, headers=alice):
        path = f"/api/v1/cart/items/{product_id}"
        return client.put(path, json={"quantity": quantity}, headers=headers)

    return put


def test_cart_shows_lines_prices_and_the_total(put):
    put(2, 3)

    cart = put(1, 2).get_json()

    assert [line["title"] for line in cart["items"]] == ["Erlenmeyer flask", "Potion of patience"]
    assert cart["total"] == {"amount_minor": 2 * 1999 + 30, "currency": "USD"}


def test_cart_beyond_all_amounts_is_refused_and_kept_as_it_was(put, products, client, alice):
    products.catalogue[2] = replace(products.catalogue[2], price=Money(MAX_AMOUNT_MINOR))
    put(1, 1)

    refused = put(2, 2)

    assert (refused.status_code, refused.get_json()["code"]) == (422, "invalid")
    cart = client.get("/api/v1/cart", headers=alice).get_json()
    assert [line["product_id"] for line in cart["items"]] == [1]


def test_cart_that_grew_beyond_all_amounts_is_shown_without_a_total(put, products, client, alice):
    put(2, 2)
    products.catalogue[2] = replace(products.catalogue[2], price=Money(MAX_AMOUNT_MINOR))

    answer = client.get("/api/v1/cart", headers=alice)

    assert answer.status_code == 200
    assert answer.get_json()["total"] is None
    assert answer.get_json()["items"][0]["price"]["amount_minor"] == MAX_AMOUNT_MINOR


def test_empty_cart_costs_nothing(client, alice):
    cart = client.get("/api/v1/cart", headers=alice).get_json()

    assert cart == {"items": [], "total": {"amount_minor": 0, "currency": "USD"}}


def test_putting_again_replaces_the_quantity(put):
    put(1, 5)

    cart = put(1, 2).get_json()

    assert [line["quantity"] for line in cart["items"]] == [2]


def test_line_says_whether_its_quantity_can_be_bought(put):
    cart = put(1, 11).get_json()

    assert cart["items"][0]["available"] is False


def test_removing_a_line_twice_is_fine(client, alice, put):
    put(1, 1)

    statuses = [client.delete("/api/v1/cart/items/1", headers=alice).status_code for _ in range(2)]

    assert statuses == [204, 204]
    assert client.get("/api/v1/cart", headers=alice).get_json()["items"] == []


def test_carts_are_kept_apart(client, bob, put):
    put(1, 1)

    assert client.get("/api/v1/cart", headers=bob).get_json()["items"] == []


def test_unknown_product_can_not_be_put_into_the_cart(put):
    answer = put(99, 1)

    assert (answer.status_code, answer.get_json()["code"]) == (422, "unknown_product")


@pytest.mark.parametrize(
    "product_id", ["0", "-1", "1e5", "\uff11\uff12", "99999999999999999999", "%00", "x"]
)
def test_odd_product_ids_are_not_found(put, product_id):
    assert put(product_id, 1).status_code == 404


def test_cart_keeps_its_last_prices_while_the_catalogue_is_away(client, alice, put, products):
    put(1, 1)
    products.away.add("offers")

    cart = client.get("/api/v1/cart", headers=alice).get_json()

    assert cart["items"][0]["available"] is None
    assert cart["total"]["amount_minor"] == 1999


def test_order_without_items_takes_the_cart_and_empties_it(client, alice, put, place):
    put(1, 2)

    order = place(None).get_json()

    cart = client.get("/api/v1/cart", headers=alice).get_json()
    assert [(item["product_id"], item["quantity"]) for item in order["items"]] == [(1, 2)]
    assert cart["items"] == []


def test_cart_is_kept_when_the_card_is_declined(client, alice, put, place):
    put(1, 2)

    place(None, token="tok_declined")

    cart = client.get("/api/v1/cart", headers=alice).get_json()
    assert [line["quantity"] for line in cart["items"]] == [2]


def test_empty_cart_can_not_be_ordered(place):
    answer = place(None)

    assert (answer.status_code, answer.get_json()["code"]) == (422, "empty_cart")


def test_price_that_changed_since_it_was_shown_is_not_charged(put, place, products, payments):
    put(1, 2)
    products.set_price(1, 2999)

    answer = place(None)

    assert (answer.status_code, answer.get_json()["code"]) == (409, "price_changed")
    assert answer.get_json()["total"]["amount_minor"] == 5998
    assert payments.charges == 0
    assert products.stock(1) == 10


def test_changed_price_is_charged_once_it_was_shown(client, alice, put, place, products):
    put(1, 2)
    products.set_price(1, 2999)
    place(None)
    shown = client.get("/api/v1/cart", headers=alice).get_json()["total"]

    order = place(None).get_json()

    assert order["total"] == shown == {"amount_minor": 5998, "currency": "USD"}


def test_cart_has_room_for_a_hundred_lines(put, products):
    products.catalogue.update(dict.fromkeys(range(1, 102), products.catalogue[1]))
    products.catalogue = {
        key: type(offer)(key, offer.title, offer.price, offer.stock)
        for key, offer in products.catalogue.items()
    }

    statuses = [put(key, 1).status_code for key in range(1, 102)]

    assert statuses == [200] * 100 + [409]


def test_cart_is_ordered_once_however_many_ask_at_the_same_moment(put, place, payments):
    put(1, 1)
    together = threading.Barrier(8)

    def order(_):
        together.wait()
        return place(None)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(order, range(8)))

    codes = {answer.get_json().get("code") for answer in answers} - {None}
    assert [answer.status_code for answer in answers].count(201) == 1
    assert codes <= {"cart_being_ordered", "empty_cart"}
    assert payments.charges == 1


def test_cart_waits_for_the_order_whose_payment_is_undecided(put, place):
    put(1, 1)
    first = place(None, token="tok_hang").get_json()

    answer = place(None)

    assert (answer.status_code, answer.get_json()["order_id"]) == (409, first["id"])


def test_lines_that_are_put_in_and_taken_out_at_once_are_no_error(client, app, alice, products):
    def call(number):
        client, path = app.test_client(), f"/api/v1/cart/items/{number % 2 + 1}"
        if number % 3 == 0:
            return client.delete(path, headers=alice)
        if number % 3 == 1:
            # Showing stores the new prices.
            products.set_price(1, 1000 + number)
            return client.get("/api/v1/cart", headers=alice)
        return client.put(path, json={"quantity": number + 1}, headers=alice)

    with ThreadPoolExecutor(8) as pool:
        statuses = {answer.status_code for answer in pool.map(call, range(90))}

    assert statuses == {200, 204}
