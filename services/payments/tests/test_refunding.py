import threading

import pytest

from services.payments import service
from services.payments.domain import Kind
from services.payments.models import IdempotencyRecord, Refund

from .fakes import at_once, money

REPLAYED = "Idempotency-Replayed"


@pytest.fixture
def provider(fake):
    return fake


@pytest.fixture
def captured(orders):
    """Return the id of a payment of 100.00 that was captured."""
    return orders.captured(amount=10000)


def refunded_by(fake):
    return [op.amount.amount_minor for op in fake.record if op.kind == Kind.REFUND]


def test_part_is_refunded_and_the_payment_stays_captured(orders, fake, captured):
    answer = orders.refund(captured, 3000)

    assert (answer.status_code, answer.json["status"]) == (200, "captured")
    assert (answer.json["captured"], answer.json["refunded"]) == (money(10000), money(3000))
    assert refunded_by(fake) == [3000]


def test_refund_without_an_amount_gives_back_the_rest(orders, fake, captured):
    orders.refund(captured, 3000)

    answer = orders.refund(captured)

    assert (answer.json["status"], answer.json["refunded"]) == ("refunded", money(10000))
    assert refunded_by(fake) == [3000, 7000]


def test_parts_that_make_the_whole_leave_the_payment_refunded(orders, captured):
    statuses = [orders.refund(captured, amount).json["status"] for amount in (5000, 4999, 1)]

    assert statuses == ["captured", "captured", "refunded"]


@pytest.mark.parametrize("amount", [7001, None])
def test_refund_of_more_than_is_left_is_refused(orders, fake, captured, amount):
    orders.refund(captured, 3000)
    if amount is None:
        orders.refund(captured, 7000)

    answer = orders.refund(captured, amount)

    assert (answer.status_code, answer.json["code"]) == (409, "refund_exceeds_captured")
    assert answer.json["refundable"] == money(0 if amount is None else 7000)
    assert sum(refunded_by(fake)) <= 10000


@pytest.mark.parametrize("amount", [1, None])
def test_nothing_is_refunded_before_the_capture(orders, fake, amount):
    payment_id = orders.authorise().json["id"]

    answer = orders.refund(payment_id, amount)

    assert (answer.status_code, answer.json["code"]) == (409, "illegal_state")
    assert answer.json["payment_status"] == "authorised"
    assert refunded_by(fake) == []


def test_concurrent_refunds_never_exceed_what_was_captured(orders, fake, captured, client, alice):
    answers = at_once(10, lambda _: orders.refund(captured, 3000))

    shown = client.get(f"/api/v1/payments/{captured}", headers=alice).json
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [409] * 7
    assert refunded_by(fake) == [3000] * 3
    assert shown["refunded"] == money(9000)


def test_repeated_key_replays_the_answer_byte_for_byte(orders, fake, captured):
    first = orders.refund(captured, 3000, key="once")
    orders.refund(captured, 1000)

    replays = [orders.refund(captured, 3000, key="once") for _ in range(4)]

    assert {replay.data for replay in replays} == {first.data}
    assert {replay.headers[REPLAYED] for replay in replays} == {"true"}
    assert (REPLAYED in first.headers, first.content_type) == (False, replays[0].content_type)
    assert refunded_by(fake) == [3000, 1000]


def test_refund_of_the_rest_is_replayed_when_nothing_is_left(orders, fake, captured):
    first = orders.refund(captured, key="rest")

    again = orders.refund(captured, key="rest")

    assert (again.status_code, again.data) == (200, first.data)
    assert refunded_by(fake) == [10000]


def test_same_key_from_many_threads_refunds_once(orders, fake, captured, till):
    fake.rendezvous = threading.Barrier(5)

    answers = at_once(5, lambda _: orders.refund(captured, 3000, key="once"))

    assert {(answer.status_code, answer.data) for answer in answers} == {(200, answers[0].data)}
    assert sum(REPLAYED in answer.headers for answer in answers) == 4
    assert service.find_payment(till, captured).refunded_minor == 3000
    assert refunded_by(fake) == [3000]


def test_key_of_another_amount_is_refused(orders, fake, captured):
    orders.refund(captured, 3000, key="once")

    answer = orders.refund(captured, 2000, key="once")

    assert (answer.status_code, answer.json["code"]) == (422, "idempotency_key_reused")
    assert refunded_by(fake) == [3000]


def test_key_counts_within_its_payment(orders, fake, captured):
    other = orders.captured("ord_2")
    orders.refund(captured, 3000, key="once")

    answer = orders.refund(other, 3000, key="once")

    assert (answer.status_code, REPLAYED in answer.headers) == (200, False)
    assert refunded_by(fake) == [3000, 3000]


def test_key_is_required(orders, captured, fake):
    answer = orders.post(f"/internal/payments/{captured}/refund", {})

    assert (answer.status_code, answer.json["code"]) == (400, "idempotency_key_missing")
    assert refunded_by(fake) == []


@pytest.mark.parametrize("key", ["", "k" * 256, "a b", "käse"])
def test_malformed_key_is_refused(orders, captured, fake, key):
    headers = {"Idempotency-Key": key}

    answer = orders.post(f"/internal/payments/{captured}/refund", {}, headers)

    assert (answer.status_code, answer.json["code"]) == (400, "idempotency_key_malformed")
    assert refunded_by(fake) == []


def test_refused_refund_does_not_burn_its_key(orders, captured):
    too_much = orders.refund(captured, 10001, key="once")

    corrected = orders.refund(captured, 10000, key="once")

    assert (too_much.status_code, corrected.status_code) == (409, 200)


def test_remembered_answers_are_forgotten_after_their_life(orders, captured, clock, till):
    orders.refund(captured, 1000, key="old")
    clock.advance(61)

    orders.refund(captured, 1000, key="new")

    with till.database.read() as session:
        assert session.get(IdempotencyRecord, (captured, "old")) is None
        assert session.get(IdempotencyRecord, (captured, "new")) is not None


@pytest.mark.parametrize("lost", ["silent_before", "silent_after"])
def test_refund_without_an_answer_is_finished_by_its_repetition(orders, fake, captured, lost):
    setattr(fake, lost, {Kind.REFUND})

    unknown = orders.refund(captured, 3000, key="once")
    setattr(fake, lost, set())
    finished = orders.refund(captured, 3000, key="once")

    assert (unknown.status_code, unknown.json["code"]) == (503, "provider_silent")
    assert (finished.status_code, finished.json["refunded"]) == (200, money(3000))
    assert (REPLAYED in finished.headers, refunded_by(fake)) == (False, [3000])


def test_refund_is_completed_though_its_key_was_forgotten_meanwhile(orders, fake, captured, clock):
    send = fake.refund

    def send_slowly(instruction):
        fake.refund = send
        clock.advance(61)
        orders.refund(captured, 1000)
        return send(instruction)

    fake.refund = send_slowly
    answer = orders.refund(captured, 3000)

    assert (answer.status_code, answer.json["refunded"]) == (200, money(4000))


def test_money_that_may_be_on_its_way_back_is_not_refunded_again(orders, fake, captured):
    fake.silent_after = {Kind.REFUND}
    orders.refund(captured, 8000)
    fake.silent_after = set()

    answer = orders.refund(captured, 3000)

    assert (answer.status_code, answer.json["code"]) == (409, "refund_exceeds_captured")
    assert refunded_by(fake) == [8000]


def test_refund_that_the_provider_refuses_stays_claimed(orders, fake, captured, till):
    fake.record = [op for op in fake.record if op.kind != Kind.CAPTURE]

    answer = orders.refund(captured, 3000)

    with till.database.read() as session:
        (refund,) = session.query(Refund).all()
    assert (answer.status_code, answer.json["code"]) == (409, "provider_refused")
    assert (refund.amount_minor, refund.completed_at) == (3000, None)


@pytest.mark.parametrize(
    "body",
    [
        {"amount": money(0)},
        {"amount": {"amount_minor": -1, "currency": "USD"}},
        {"amount": {"amount_minor": 1, "currency": "EUR"}},
        {"amount": {"amount_minor": 1}},
        {"amount": 1},
        {"amount": None},
        {"total": money(1)},
    ],
    ids=str,
)
def test_unacceptable_refund_is_refused(orders, fake, captured, body):
    headers = {"Idempotency-Key": "once"}

    answer = orders.post(f"/internal/payments/{captured}/refund", body, headers)

    assert (answer.status_code, answer.json["code"]) == (422, "invalid")
    assert refunded_by(fake) == []


def test_refund_of_the_rest_with_one_key_from_many_threads_is_never_too_much(orders, fake):
    for number in range(5):
        payment_id = orders.captured(f"ord_rest_{number}")

        def ask(_, payment_id=payment_id, number=number):
            return orders.refund(payment_id, key=f"rest-{number}")

        assert {answer.status_code for answer in at_once(8, ask)} == {200}
