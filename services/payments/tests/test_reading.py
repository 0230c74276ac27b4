"""Who sees which payment, and what of it."""

import pytest

from chassis.testing import bearer

from .fakes import money

OPERATIONS = "/api/v1/payments/provider/operations?order_id=ord_1"
UNKNOWN_ID = "pay_" + "x" * 22


@pytest.fixture
def payment_id(orders):
    return orders.captured("ord_1", user_id="alice", amount=1999)


@pytest.fixture
def paths(payment_id):
    return [f"/api/v1/payments/{payment_id}", "/api/v1/payments?order_id=ord_1", OPERATIONS]


@pytest.mark.parametrize("viewer", ["alice", "operator"])
def test_payment_is_shown_to_its_payer_and_to_operators(client, request, payment_id, viewer):
    headers = request.getfixturevalue(viewer)

    shown = client.get(f"/api/v1/payments/{payment_id}", headers=headers)
    listed = client.get("/api/v1/payments?order_id=ord_1", headers=headers)

    assert shown.json == {
        "id": payment_id,
        "order_id": "ord_1",
        "status": "captured",
        "amount": money(1999),
        "captured": money(1999),
        "refunded": money(0),
    }
    assert listed.json == {"data": [shown.json]}


def test_payment_of_somebody_else_looks_like_none_at_all(client, bob, payment_id):
    theirs = client.get(f"/api/v1/payments/{payment_id}", headers=bob)
    nobodys = client.get(f"/api/v1/payments/{UNKNOWN_ID}", headers=bob)

    different = {name for name in theirs.json if theirs.json[name] != nobodys.json[name]}
    assert (theirs.status_code, nobodys.status_code) == (404, 404)
    assert different == {"request_id"}


@pytest.mark.parametrize("order_id", ["ord_1", "ord_of_nobody"])
def test_list_is_empty_for_somebody_elses_and_for_unknown_orders(client, bob, payment_id, order_id):
    answer = client.get(f"/api/v1/payments?order_id={order_id}", headers=bob)

    assert (answer.status_code, answer.json) == (200, {"data": []})


def test_nothing_is_shown_without_an_identity(client, paths):
    answers = [client.get(path) for path in paths]

    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert {answer.json["error"] for answer in answers} == {"Authorization token is missing"}


def test_services_are_not_people(client, mint, paths):
    headers = bearer(mint.service("orders", "payments:write"))

    assert [client.get(path, headers=headers).status_code for path in paths] == [401, 401, 401]


@pytest.mark.parametrize("payment_id", [UNKNOWN_ID, "pay_1", "1", "%00", "%ED%A0%80", "x" * 2000])
def test_id_of_no_payment_is_not_found(client, operator, payment_id):
    answer = client.get(f"/api/v1/payments/{payment_id}", headers=operator)

    assert (answer.status_code, answer.json["code"]) == (404, "payment_not_found")


def test_operators_see_what_the_provider_recorded(client, orders, operator, payment_id, clock):
    orders.refund(payment_id, 999)

    operations = client.get(OPERATIONS, headers=operator).json["data"]

    assert [operation["kind"] for operation in operations] == ["authorise", "capture", "refund"]
    assert operations[1] == {
        "id": operations[1]["id"],
        "kind": "capture",
        "payment_id": payment_id,
        "order_id": "ord_1",
        "amount": money(1999),
        "idempotency_key": f"{payment_id}:capture",
        "created_at": clock.now().isoformat(),
    }


def test_provider_knows_nothing_of_an_unknown_order(client, operator, payment_id):
    answer = client.get(OPERATIONS.replace("ord_1", "ord_2"), headers=operator)

    assert answer.json == {"data": []}


def test_the_providers_record_is_for_operators_only(client, alice, payment_id):
    assert client.get(OPERATIONS, headers=alice).status_code == 403


@pytest.mark.parametrize(
    "query", ["", "?order_id=", "?order_id=%00", "?order_id=a&order_id=b", "?order=1"]
)
@pytest.mark.parametrize("path", ["/api/v1/payments", "/api/v1/payments/provider/operations"])
def test_list_asks_for_exactly_one_order(client, operator, path, query):
    assert client.get(path + query, headers=operator).status_code == 422
