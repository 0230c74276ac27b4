import json
import logging
import threading

import pytest
from sqlalchemy import select

from services.payments import service, signatures
from services.payments.config import DEVELOPMENT_WEBHOOK_SECRET
from services.payments.domain import Kind
from services.payments.models import Base, WebhookEvent

from .fakes import an_instruction, at_once

PATH = "/api/v1/payments/webhook"
TYPES = ["payment.authorised", "payment.captured", "payment.refunded", "payment.failed"]


@pytest.fixture
def provider(fake):
    return fake


@pytest.fixture
def send(app, clock):
    """Send an event as the provider does, or with something wrong about it."""

    def send(event, *, age=0, secret=DEVELOPMENT_WEBHOOK_SECRET, **headers):
        body = json.dumps(event).encode()
        signature = signatures.sign(body, secret, int(clock.now().timestamp()) - age)
        headers = {"Webhook-Signature": signature, **headers}
        return app.test_client().post(
            PATH, data=body, headers=headers, content_type="application/json"
        )

    return send


@pytest.fixture
def pending(orders, fake):
    """Return the id of a payment that the provider has authorised without our knowing."""
    fake.silent_after = {Kind.AUTHORISE}
    payment_id = orders.authorise().json["id"]
    fake.silent_after = set()
    return payment_id


@pytest.fixture
def rows(till):
    """Return everything that the database holds."""

    def rows():
        with till.database.read() as session:
            return {
                table.name: session.execute(select(table)).all()
                for table in Base.metadata.sorted_tables
            }

    return rows


@pytest.fixture
def status_of(client, operator):
    def status(payment_id):
        return client.get(f"/api/v1/payments/{payment_id}", headers=operator).json["status"]

    return status


def an_event(payment_id, event_id="evt_1", **changes):
    return {
        "id": event_id,
        "type": "payment.authorised",
        "payment_id": payment_id,
        "amount_minor": 10000,
        "currency": "USD",
        **changes,
    }


def test_event_settles_a_pending_payment_that_the_provider_has_on_record(send, pending, status_of):
    answer = send(an_event(pending))

    assert (answer.status_code, answer.json) == (200, {"received": True})
    assert status_of(pending) == "authorised"


@pytest.mark.parametrize("event_type", TYPES)
def test_event_is_not_believed_without_the_record(send, orders, fake, status_of, event_type):
    fake.silent_before = {Kind.AUTHORISE}
    payment_id = orders.authorise().json["id"]

    answer = send(an_event(payment_id, type=event_type))

    assert answer.status_code == 200
    assert status_of(payment_id) == "pending"


@pytest.mark.parametrize("event_type", TYPES)
def test_event_changes_nothing_about_a_settled_payment(send, orders, status_of, event_type):
    payment_id = orders.authorise().json["id"]

    answer = send(an_event(payment_id, type=event_type))

    assert answer.status_code == 200
    assert status_of(payment_id) == "authorised"


def test_events_in_the_wrong_order_end_in_the_right_state(send, pending, orders, status_of):
    send(an_event(pending, "evt_2", type="payment.captured"))
    orders.capture(pending)
    send(an_event(pending, "evt_1"))

    assert status_of(pending) == "captured"


def test_event_of_a_capture_brings_a_pending_payment_all_the_way(send, pending, fake, status_of):
    fake.capture(an_instruction(f"{pending}:capture", payment_id=pending))

    late = [
        send(an_event(pending, "evt_2", type="payment.captured")),
        send(an_event(pending, "evt_1")),
    ]

    assert [answer.status_code for answer in late] == [200, 200]
    assert status_of(pending) == "captured"


def test_event_of_a_capture_settles_one_whose_answer_was_lost(send, orders, fake, status_of):
    payment_id = orders.authorise().json["id"]
    fake.silent_after = {Kind.CAPTURE}
    orders.capture(payment_id)

    send(an_event(payment_id, type="payment.captured"))

    assert status_of(payment_id) == "captured"


def test_event_of_a_refund_books_one_whose_answer_was_lost(send, orders, fake, till):
    payment_id = orders.captured()
    fake.silent_after = {Kind.REFUND}
    orders.refund(payment_id, 3000)
    fake.silent_after, fake.silent_before = set(), {Kind.REFUND}
    orders.refund(payment_id, 1000)

    for event_id in ("evt_1", "evt_1", "evt_2"):
        send(an_event(payment_id, event_id, type="payment.refunded", amount_minor=3000))

    payment = service.find_payment(till, payment_id)
    assert (payment.refunded_minor, payment.claimed_minor) == (3000, 4000)


@pytest.mark.parametrize(
    "change",
    [
        {"type": "payment.failed"},
        {"type": "payment.refunded", "amount_minor": 1},
        {"amount_minor": 1},
        {"currency": "EUR"},
        {"payment_id": "another"},
    ],
    ids=str,
)
def test_id_of_another_event_is_refused_and_reported(
    send, pending, orders, till, rows, caplog, change
):
    another = orders.authorise("ord_2").json["id"]
    send(an_event(pending))
    before = rows()

    change = {**change, "payment_id": another} if "payment_id" in change else change
    answer = send({**an_event(pending), **change})

    (alert,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert (answer.status_code, answer.json["code"]) == (409, "webhook_id_reused")
    assert (alert.alert, alert.event["id"]) == ("webhook_id_reused", "evt_1")
    assert rows() == before


def test_duplicates_are_accepted_and_change_nothing(send, pending, till, status_of):
    answers = [send(an_event(pending)) for _ in range(5)]

    with till.database.read() as session:
        assert session.query(WebhookEvent).count() == 1
    assert {(answer.status_code, answer.data) for answer in answers} == {(200, answers[0].data)}
    assert status_of(pending) == "authorised"


def test_duplicate_asks_nothing_of_the_provider(send, orders, fake):
    fake.silent_before = {Kind.AUTHORISE}
    payment_id = orders.authorise().json["id"]
    send(an_event(payment_id))
    fake.unreadable = True

    duplicate, other = send(an_event(payment_id)), send(an_event(payment_id, "evt_2"))

    assert (duplicate.status_code, other.status_code) == (200, 503)


def test_duplicates_at_once_are_accepted(send, pending, status_of):
    answers = at_once(8, lambda _: send(an_event(pending)))

    assert {answer.status_code for answer in answers} == {200}
    assert status_of(pending) == "authorised"


def test_of_different_events_at_once_under_one_id_one_is_accepted(
    send, orders, fake, till, caplog, monkeypatch
):
    payment_ids = [orders.authorise(order_id).json["id"] for order_id in ("ord_1", "ord_2")]
    everybody, find = threading.Barrier(20), fake.find_operation

    def find_together(key):
        # By now each has looked whether the id is known, and none has stored it.
        everybody.wait(20)
        return find(key)

    monkeypatch.setattr(fake, "find_operation", find_together)
    answers = at_once(20, lambda number: send(an_event(payment_ids[number % 2])))

    with till.database.read() as session:
        accepted = payment_ids.index(session.get_one(WebhookEvent, "evt_1").payment_id)
    assert {answer.status_code for answer in answers[accepted::2]} == {200}
    refused = {(answer.status_code, answer.json["code"]) for answer in answers[1 - accepted :: 2]}
    assert refused == {(409, "webhook_id_reused")}
    alerts = [record.alert for record in caplog.records if record.levelno == logging.ERROR]
    assert alerts == ["webhook_id_reused"] * 10


def test_event_is_sent_again_when_the_record_could_not_be_read(send, pending, fake, status_of):
    fake.unreadable = True
    first = send(an_event(pending))
    fake.unreadable = False

    again = send(an_event(pending))

    assert (first.status_code, first.headers["Retry-After"]) == (503, "1")
    assert (again.status_code, status_of(pending)) == (200, "authorised")


def test_unknown_payment_is_not_found_and_its_event_not_remembered(send, rows):
    before = rows()

    answer = send(an_event("pay_" + "x" * 22))

    assert (answer.status_code, answer.json["code"]) == (404, "payment_not_found")
    assert rows() == before


@pytest.mark.parametrize(
    "change",
    [
        {"amount_minor": 9999},
        {"amount_minor": 10001},
        {"amount_minor": 0},
        {"currency": "EUR"},
        {"currency": "XXX"},
        {"type": "payment.captured", "amount_minor": 1},
        {"type": "payment.refunded", "amount_minor": 10001},
        {"type": "payment.refunded", "amount_minor": 0},
        {"type": "payment.refunded", "amount_minor": 1, "currency": "EUR"},
    ],
    ids=str,
)
def test_wrong_amount_is_refused_and_reported(send, pending, rows, caplog, change):
    before = rows()

    answer = send(an_event(pending, **change))

    assert (answer.status_code, answer.json["code"]) == (409, "webhook_amount_mismatch")
    assert rows() == before
    (alert,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert alert.alert == "webhook_amount_mismatch"
    assert alert.event == an_event(pending, **change)


def test_refund_of_a_part_is_accepted(send, orders):
    payment_id = orders.captured()

    answer = send(an_event(payment_id, type="payment.refunded", amount_minor=1))

    assert answer.status_code == 200


@pytest.mark.parametrize("age", [300, -300])
def test_event_is_accepted_up_to_five_minutes_off(send, pending, age):
    assert send(an_event(pending), age=age).status_code == 200


@pytest.mark.parametrize("age", [301, 600, -301, -600])
def test_old_event_and_one_from_the_future_are_refused(send, pending, rows, age):
    before = rows()

    answer = send(an_event(pending), age=age)

    assert (answer.status_code, answer.json["code"]) == (400, "webhook_too_old")
    assert rows() == before


def test_event_signed_by_somebody_else_is_refused(send, pending, status_of):
    answer = send(an_event(pending), secret="guessed")

    assert (answer.status_code, answer.json["code"]) == (400, "webhook_signature_invalid")
    assert status_of(pending) == "pending"


def test_signature_of_another_body_is_refused(send, pending, clock):
    signature = signatures.sign(b"{}", DEVELOPMENT_WEBHOOK_SECRET, int(clock.now().timestamp()))

    answer = send(an_event(pending), **{"Webhook-Signature": signature})

    assert answer.json["code"] == "webhook_signature_invalid"


def test_signature_does_not_hold_for_another_moment(send, pending, clock):
    now = int(clock.now().timestamp())
    body = json.dumps(an_event(pending)).encode()
    old = signatures.sign(body, DEVELOPMENT_WEBHOOK_SECRET, now - 600)

    moved = old.replace(f"t={now - 600}", f"t={now}")

    assert send(an_event(pending), **{"Webhook-Signature": moved}).status_code == 400


def test_one_genuine_signature_of_several_is_enough(send, pending, clock):
    moment = int(clock.now().timestamp())
    body = json.dumps(an_event(pending)).encode()
    _, _, genuine = signatures.sign(body, DEVELOPMENT_WEBHOOK_SECRET, moment).partition(",")
    other = "v1=" + "0" * 64

    def status_with(*given):
        signature = ",".join([f"t={moment}", *given])
        return send(an_event(pending), **{"Webhook-Signature": signature}).status_code

    assert [status_with(other, genuine), status_with(genuine, other)] == [200, 200]
    assert [status_with(other, other), status_with(*[genuine] * 5)] == [400, 400]
    assert status_with(genuine, f"t={moment - 1}") == 400


def test_event_without_a_signature_is_refused(client, pending, rows):
    before = rows()

    answer = client.post(PATH, json=an_event(pending))

    assert (answer.status_code, answer.json["code"]) == (400, "webhook_signature_invalid")
    assert rows() == before


def test_event_over_a_mebibyte_is_refused_unread(send, pending):
    assert send(an_event(pending, filler="x" * 1024 * 1024)).status_code == 413


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "v1=" + "0" * 64,
        "t=1",
        "t=1,v1=",
        "t=1,v1=zz",
        "t=-1,v1=" + "0" * 64,
        "t=\u0661,v1=" + "0" * 64,
    ],
)
def test_malformed_signature_is_refused(send, pending, signature):
    answer = send(an_event(pending), **{"Webhook-Signature": signature})

    assert (answer.status_code, answer.json["code"]) == (400, "webhook_signature_invalid")


def test_signature_is_checked_before_the_body_is_read(client):
    answer = client.post(PATH, data=b"\xff[[[[", content_type="text/plain")

    assert answer.json["code"] == "webhook_signature_invalid"


@pytest.mark.parametrize(
    "change",
    [
        {"type": "payment.invented"},
        {"amount_minor": "10000"},
        {"amount_minor": True},
        {"amount_minor": 10000.0},
        {"id": ""},
        {"id": "e" * 129},
        {"id": "evt\nINFO all is well"},
        {"currency": "US"},
        {"status": "captured"},
    ],
    ids=str,
)
def test_signed_rubbish_is_refused(send, pending, rows, change):
    before = rows()

    answer = send(an_event(pending, **change))

    assert (answer.status_code, answer.json["code"]) == (422, "invalid")
    assert rows() == before
