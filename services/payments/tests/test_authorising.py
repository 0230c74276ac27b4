import pytest

from chassis.testing import bearer
from services.payments.domain import Kind
from services.payments.models import Payment

from .fakes import at_once, money

REFUSED = [
    ("tok_declined", 402, "payment_declined"),
    ("tok_insufficient_funds", 402, "insufficient_funds"),
    ("tok_of_nobody", 422, "unknown_card_token"),
]
LOST_ANSWERS = ["tok_hang_after_charge", "tok_error_after_charge"]


def kinds(provider, order_id="ord_1"):
    return [operation.kind for operation in provider.operations(order_id)]


def test_good_card_is_authorised(orders):
    answer = orders.authorise(amount=1999)

    payment_id = answer.json["id"]
    assert answer.status_code == 201
    assert payment_id.startswith("pay_")
    assert answer.json == {
        "id": payment_id,
        "order_id": "ord_1",
        "status": "authorised",
        "amount": money(1999),
        "captured": money(0),
        "refunded": money(0),
    }


def test_provider_holds_the_amount_under_a_key_of_the_payment(orders, provider):
    payment_id = orders.authorise(amount=1999).json["id"]

    (operation,) = provider.operations("ord_1")
    assert (operation.kind, operation.amount.amount_minor) == (Kind.AUTHORISE, 1999)
    assert operation.idempotency_key == f"{payment_id}:authorise"


def test_same_order_again_gives_the_same_payment(orders, provider):
    first = orders.authorise()

    again = orders.authorise()

    assert (again.status_code, again.json) == (first.status_code, first.json)
    assert kinds(provider) == [Kind.AUTHORISE]


def test_same_order_after_the_capture_gives_the_payment_as_it_is_now(orders):
    payment_id = orders.captured()

    again = orders.authorise()

    assert again.status_code == 201
    assert (again.json["id"], again.json["status"]) == (payment_id, "captured")


def test_same_order_from_many_threads_is_authorised_once(orders, provider):
    answers = at_once(20, lambda _: orders.authorise())

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json["id"] for answer in answers}) == 1
    assert kinds(provider) == [Kind.AUTHORISE]


@pytest.mark.parametrize("change", [{"amount": 9999}, {"user_id": "bob"}])
def test_other_amount_or_payer_for_the_same_order_is_refused(orders, provider, change):
    orders.authorise()

    answer = orders.authorise(**change)

    assert (answer.status_code, answer.json["code"]) == (409, "payment_mismatch")
    assert kinds(provider) == [Kind.AUTHORISE]


@pytest.mark.parametrize(("token", "status", "code"), REFUSED)
def test_refused_card_is_told_to_the_caller(orders, provider, token, status, code):
    answer = orders.authorise(token=token)

    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert kinds(provider) == []


@pytest.mark.parametrize(("token", "status", "code"), REFUSED)
def test_refusal_is_final_for_the_order(orders, provider, token, status, code):
    orders.authorise(token=token)

    again = orders.authorise(token="tok_ok")

    assert (again.status_code, again.json["code"]) == (status, code)
    assert kinds(provider) == []


def test_refused_payment_is_kept_as_declined(orders, client, alice):
    orders.authorise(token="tok_declined")

    listed = client.get("/api/v1/payments?order_id=ord_1", headers=alice).json["data"]

    assert [payment["status"] for payment in listed] == ["declined"]


def test_silent_provider_leaves_the_payment_pending(orders, waits, provider):
    answer = orders.authorise(token="tok_hang")

    assert (answer.status_code, answer.json["status"]) == (202, "pending")
    assert answer.json["id"].startswith("pay_")
    assert (len(waits), kinds(provider)) == (1, [])


def test_pending_payment_is_tried_again_under_the_same_key(orders, provider, till):
    pending = orders.authorise(token="tok_hang").json
    with till.database.write() as session:
        session.get_one(Payment, pending["id"]).card_token = "tok_ok"

    again = orders.authorise(token="tok_hang")

    (operation,) = provider.operations("ord_1")
    assert (again.status_code, again.json["status"]) == (201, "authorised")
    assert again.json["id"] == pending["id"]
    assert operation.idempotency_key == f"{pending['id']}:authorise"


def test_provider_that_was_silent_again_is_left_alone_for_other_cards(orders, waits):
    for order_id in ("ord_1", "ord_2", "ord_1"):
        orders.authorise(order_id=order_id, token="tok_hang")
    waited = list(waits)

    answer = orders.authorise(order_id="ord_2", token="tok_hang")

    assert (answer.status_code, answer.json["status"]) == (202, "pending")
    assert (len(waited), waits) == (3, waited)


@pytest.mark.parametrize("token", LOST_ANSWERS)
def test_lost_answer_is_looked_up_in_the_record_instead_of_charging_again(
    orders, provider, waits, token
):
    lost = orders.authorise(token=token)
    waited = list(waits)

    again = orders.authorise(token=token)

    assert (lost.status_code, again.status_code) == (202, 201)
    assert again.json == {**lost.json, "status": "authorised"}
    assert (kinds(provider), waits) == ([Kind.AUTHORISE], waited)


@pytest.mark.parametrize("token", LOST_ANSWERS)
def test_lost_answers_from_many_threads_hold_the_amount_once(orders, provider, token):
    answers = at_once(10, lambda _: orders.authorise(token=token))

    assert {answer.status_code for answer in answers} <= {201, 202}
    assert orders.authorise(token=token).json["status"] == "authorised"
    assert kinds(provider) == [Kind.AUTHORISE]


def test_card_token_is_forgotten_once_the_card_has_answered(orders, till):
    known = orders.authorise("ord_1").json["id"]
    unknown = orders.authorise("ord_2", token="tok_hang").json["id"]

    with till.database.read() as session:
        assert session.get_one(Payment, known).card_token == ""
        assert session.get_one(Payment, unknown).card_token == "tok_hang"


def test_neither_card_tokens_nor_card_numbers_are_logged_or_kept(orders, tmp_path, caplog):
    numbers = orders.authorise("ord_1", token="4242424242424242")
    orders.authorise("ord_2", token="tok_of_somebody")

    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert numbers.status_code == 422
    assert b"4242424242424242" not in kept + numbers.data
    assert "tok_of_somebody" not in caplog.text


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 0},
        {"amount": -1},
        {"amount": 10**12 + 1},
        {"amount": 2**63},
        {"amount": True},
        {"amount": {"amount_minor": 1.5, "currency": "USD"}},
        {"amount": {"amount_minor": "100", "currency": "USD"}},
        {"amount": {"amount_minor": 100, "currency": "XXX"}},
        {"amount": {"amount_minor": 100}},
        {"amount": "1.00"},
        {"order_id": ""},
        {"order_id": "o" * 65},
        {"user_id": "u" * 129},
        {"token": ""},
        {"token": "tok_" + "k" * 61},
        {"status": "captured"},
        {"captured": money(100)},
        {"id": "pay_mine"},
    ],
    ids=str,
)
def test_unacceptable_charge_is_refused_and_leaves_nothing(orders, client, operator, change):
    answer = orders.authorise(**change)

    listed = client.get("/api/v1/payments?order_id=ord_1", headers=operator).json
    assert (answer.status_code, answer.json["code"]) == (422, "invalid")
    assert listed == {"data": []}


def test_every_internal_route_asks_for_the_scope(app, client, mint, operator):
    rules = [rule.rule for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ())]
    rules = [rule for rule in rules if rule.startswith("/internal/")]
    paths = [rule.replace("<payment_id>", "pay_1") for rule in rules]
    unscoped = bearer(mint.service("products", "reservations:write"))

    assert len(paths) == 5
    assert {client.post(path, json={}).status_code for path in paths} == {401}
    for headers in (operator, unscoped):
        assert {client.post(path, json={}, headers=headers).status_code for path in paths} == {403}
