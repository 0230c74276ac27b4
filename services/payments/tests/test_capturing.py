"""Capture and void, from every state and when the provider's answer gets lost."""

import threading

import pytest

from services.payments.domain import Kind

from .fakes import at_once, money


@pytest.fixture
def provider(fake):
    return fake


@pytest.fixture
def payment_in(orders, fake, client, operator):
    """Return the id of a payment in a state."""

    def bring(state):
        fake.silent_before = {Kind.AUTHORISE} if state == "pending" else set()
        orders.authorise(token="tok_declined" if state == "declined" else "tok_ok")
        fake.silent_before.clear()
        (payment,) = client.get("/api/v1/payments?order_id=ord_1", headers=operator).json["data"]
        if state in {"captured", "refunded"}:
            orders.capture(payment["id"])
        if state == "voided":
            orders.void(payment["id"])
        if state == "refunded":
            orders.refund(payment["id"])
        return payment["id"]

    return bring


def kinds(fake):
    return [operation.kind for operation in fake.record]


@pytest.mark.parametrize(
    ("state", "status", "reached"),
    [
        ("pending", 409, "pending"),
        ("authorised", 200, "captured"),
        ("declined", 409, "declined"),
        ("captured", 200, "captured"),
        ("voided", 409, "voided"),
        ("refunded", 200, "refunded"),
    ],
)
def test_capture_from_each_state(orders, payment_in, state, status, reached):
    payment_id = payment_in(state)

    answer = orders.capture(payment_id)

    now = answer.json["status"] if status == 200 else answer.json["payment_status"]
    assert (answer.status_code, now) == (status, reached)


@pytest.mark.parametrize(
    ("state", "status", "reached"),
    [
        ("pending", 200, "voided"),
        ("authorised", 200, "voided"),
        ("declined", 200, "declined"),
        ("captured", 409, "captured"),
        ("voided", 200, "voided"),
        ("refunded", 409, "refunded"),
    ],
)
def test_void_from_each_state(orders, payment_in, state, status, reached):
    payment_id = payment_in(state)

    answer = orders.void(payment_id)

    now = answer.json["status"] if status == 200 else answer.json["payment_status"]
    assert (answer.status_code, now) == (status, reached)


@pytest.mark.parametrize("command", ["capture", "void"])
def test_no_amount_can_be_named(orders, fake, command):
    payment_id = orders.authorise(amount=1999).json["id"]

    answer = orders.post(f"/internal/payments/{payment_id}/{command}", {"amount": money(1)})

    assert (answer.status_code, answer.json["errors"]) == (422, {"amount": ["Unknown field."]})
    assert kinds(fake) == [Kind.AUTHORISE]


def test_capture_takes_the_whole_amount(orders):
    payment_id = orders.authorise(amount=1999).json["id"]

    answer = orders.capture(payment_id)

    assert (answer.json["captured"], answer.json["refunded"]) == (money(1999), money(0))


def test_capture_from_many_threads_takes_the_money_once(orders, fake):
    payment_id = orders.authorise().json["id"]
    fake.rendezvous = threading.Barrier(5)

    answers = at_once(5, lambda _: orders.capture(payment_id))

    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json["captured"]["amount_minor"] for answer in answers} == {10000}
    assert kinds(fake).count(Kind.CAPTURE) == 1


@pytest.mark.parametrize("lost", ["silent_before", "silent_after"])
def test_capture_without_an_answer_is_finished_by_the_next_one(orders, fake, lost):
    payment_id = orders.authorise().json["id"]
    setattr(fake, lost, {Kind.CAPTURE})

    unknown = orders.capture(payment_id)
    setattr(fake, lost, set())
    finished = orders.capture(payment_id)

    assert (unknown.status_code, unknown.json["code"]) == (503, "provider_silent")
    assert (finished.status_code, finished.json["status"]) == (200, "captured")
    assert kinds(fake).count(Kind.CAPTURE) == 1


@pytest.mark.parametrize("lost", ["silent_before", "silent_after"])
def test_void_without_an_answer_is_finished_by_the_next_one(orders, fake, lost):
    payment_id = orders.authorise().json["id"]
    setattr(fake, lost, {Kind.VOID})

    unknown = orders.void(payment_id)
    setattr(fake, lost, set())
    finished = orders.void(payment_id)

    assert (unknown.status_code, unknown.json["code"]) == (503, "provider_silent")
    assert (finished.status_code, finished.json["status"]) == (200, "voided")


def test_void_after_a_capture_whose_answer_was_lost_is_refused(orders, fake):
    payment_id = orders.authorise().json["id"]
    fake.silent_after = {Kind.CAPTURE}
    orders.capture(payment_id)

    answer = orders.void(payment_id)

    assert (answer.status_code, answer.json["code"]) == (409, "provider_refused")


def test_capture_and_void_at_once_end_in_one_of_them(orders, fake, client, operator):
    payment_id = orders.authorise().json["id"]
    commands = [orders.capture, orders.void] * 5

    answers = at_once(10, lambda number: commands[number](payment_id))

    (payment,) = client.get("/api/v1/payments?order_id=ord_1", headers=operator).json["data"]
    done = Kind.CAPTURE if payment["status"] == "captured" else Kind.VOID
    assert kinds(fake) == [Kind.AUTHORISE, done]
    assert sorted({answer.status_code for answer in answers}) == [200, 409]


def test_authorisation_after_a_void_is_refused(orders, fake, payment_in):
    payment_in("voided")

    answer = orders.authorise()

    assert (answer.status_code, answer.json["code"]) == (409, "illegal_state")
    assert kinds(fake) == [Kind.AUTHORISE, Kind.VOID]


def test_voided_pending_payment_can_never_be_charged(orders, fake, payment_in):
    orders.void(payment_in("pending"))

    answer = orders.authorise()

    assert answer.status_code == 409
    assert kinds(fake) == [Kind.VOID]


@pytest.mark.parametrize("state", ["pending", "authorised", "declined", "voided"])
def test_void_by_order_leaves_nothing_on_hold(orders, payment_in, state):
    payment_id = payment_in(state)

    answer = orders.void_order("ord_1")

    assert (answer.status_code, answer.json["id"]) == (200, payment_id)
    assert answer.json["status"] in {"voided", "declined"}


@pytest.mark.parametrize("state", ["captured", "refunded"])
def test_void_by_order_is_refused_once_the_money_was_taken(orders, payment_in, state):
    payment_in(state)

    answer = orders.void_order("ord_1")

    assert (answer.status_code, answer.json["code"]) == (409, "illegal_state")


def test_void_of_an_order_without_a_payment_refuses_the_one_that_comes_late(orders, fake):
    first, again = orders.void_order("ord_1"), orders.void_order("ord_1")

    late = orders.authorise("ord_1")

    assert (first.status_code, first.json["status"], first.json["amount"]) == (
        200,
        "voided",
        money(0),
    )
    assert again.json == first.json
    assert (late.status_code, late.json["code"]) == (409, "illegal_state")
    assert fake.record == []


def test_void_by_order_and_authorisation_at_once_leave_nothing_to_capture(orders, fake):
    calls = [orders.authorise, orders.void_order] * 5

    at_once(10, lambda number: calls[number]("ord_1"))

    payment = orders.void_order("ord_1").json
    assert payment["status"] == "voided"
    assert orders.capture(payment["id"]).status_code == 409
    assert fake.record == [] or kinds(fake)[-1] == Kind.VOID


@pytest.mark.parametrize("command", ["capture", "void"])
@pytest.mark.parametrize("payment_id", ["pay_" + "x" * 22, "pay_1", "1", "%00", "ord_1" * 100])
def test_unknown_payment_is_not_found(orders, command, payment_id):
    answer = orders.post(f"/internal/payments/{payment_id}/{command}")

    assert (answer.status_code, answer.json["code"]) == (404, "payment_not_found")
