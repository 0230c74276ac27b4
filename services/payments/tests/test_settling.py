"""Let answers get lost, ask for nothing again, and see the chore find out."""

import logging
import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from chassis.testing import FakeClock
from services.payments import create_app, ledger, refunds, service, settling
from services.payments.clients import Clients
from services.payments.config import Config
from services.payments.domain import Kind
from services.payments.errors import ProviderSilent
from services.payments.models import Payment, Refund
from storage.database import Database
from tests.databases import Statements

from .conftest import SETTLE_SECONDS
from .fakes import at_once, money


@pytest.fixture
def provider(fake):
    return fake


@pytest.fixture
def settle(till, clock):
    """Take a turn of the chore when everything there is has come of age."""

    def settle(after=SETTLE_SECONDS):
        clock.advance(after)
        settling.settle(till)

    return settle


@pytest.fixture
def shown(orders, client, operator):
    def shown(payment_id):
        return client.get(f"/api/v1/payments/{payment_id}", headers=operator).json

    return shown


def kinds(fake):
    return [operation.kind for operation in fake.record]


def losing(fake, kind, call):
    """Make a call whose answer gets lost after the provider has done it."""
    fake.silent_after = {kind}
    answer = call()
    fake.silent_after = set()
    return answer


def test_authorisation_on_record_is_found(orders, fake, settle, shown):
    payment_id = losing(fake, Kind.AUTHORISE, orders.authorise).json["id"]

    settle()

    assert shown(payment_id)["status"] == "authorised"
    assert kinds(fake) == [Kind.AUTHORISE]


def test_authorisation_that_is_not_on_record_is_left_to_the_order(orders, fake, settle, shown):
    fake.silent_before = {Kind.AUTHORISE}
    payment_id = orders.authorise().json["id"]
    fake.silent_before = set()

    settle()

    assert shown(payment_id)["status"] == "pending"
    assert kinds(fake) == []


def test_capture_on_record_is_booked_once(orders, fake, settle, shown, till):
    payment_id = orders.authorise().json["id"]
    losing(fake, Kind.CAPTURE, lambda: orders.capture(payment_id))

    settle()
    settle()

    with till.database.read() as session:
        balances = ledger.trial_balance(session)
    assert (shown(payment_id)["status"], shown(payment_id)["captured"]) == (
        "captured",
        money(10000),
    )
    assert balances == {("USD", "provider_receivable"): 10000, ("USD", "sales"): -10000}


@pytest.mark.parametrize("known", [True, False])
def test_void_on_record_is_found(orders, fake, settle, shown, known):
    fake.silent_after = set() if known else {Kind.AUTHORISE}
    payment_id = orders.authorise().json["id"]
    losing(fake, Kind.VOID, lambda: orders.void(payment_id))

    settle()

    assert shown(payment_id)["status"] == "voided"


def test_capture_that_was_never_asked_for_is_not_made(orders, fake, settle, shown):
    payment_id = orders.authorise().json["id"]

    settle()

    assert shown(payment_id)["status"] == "authorised"
    assert kinds(fake) == [Kind.AUTHORISE]


@pytest.mark.parametrize("lost", ["silent_before", "silent_after"])
def test_refund_that_was_promised_is_carried_on(orders, fake, settle, shown, lost):
    payment_id = orders.captured()
    setattr(fake, lost, {Kind.REFUND})
    orders.refund(payment_id, 3000)
    setattr(fake, lost, set())

    settle()
    settle()

    assert shown(payment_id)["refunded"] == money(3000)
    assert kinds(fake).count(Kind.REFUND) == 1


def test_refund_that_was_carried_on_gives_its_key_one_answer(orders, fake, settle):
    payment_id = orders.captured()
    losing(fake, Kind.REFUND, lambda: orders.refund(payment_id, 3000, key="once"))
    settle()

    first = orders.refund(payment_id, 3000, key="once")
    orders.refund(payment_id, 1000)
    again = orders.refund(payment_id, 3000, key="once")

    assert (first.status_code, first.json["refunded"]) == (200, money(3000))
    assert (again.data, again.headers["Idempotency-Replayed"]) == (first.data, "true")
    assert kinds(fake).count(Kind.REFUND) == 2


def test_refund_that_the_provider_refuses_is_reported_once_and_stays_claimed(
    orders, fake, settle, till, caplog
):
    payment_id = orders.captured()
    fake.silent_before = {Kind.REFUND}
    orders.refund(payment_id, 3000)
    fake.silent_before = set()
    fake.record = [op for op in fake.record if op.kind != Kind.CAPTURE]

    settle()
    settle(60)

    with till.database.read() as session:
        refund = session.scalars(select(Refund)).one()
    (alert,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert (alert.alert, alert.payment_id) == ("refund_refused", payment_id)
    assert (refund.completed_at, refund.settle_at) == (None, None)
    assert service.find_payment(till, payment_id).claimed_minor == 3000


def test_what_has_just_begun_is_left_alone(orders, fake, settle, shown):
    payment_id = losing(fake, Kind.AUTHORISE, orders.authorise).json["id"]

    settle(SETTLE_SECONDS - 1)

    assert shown(payment_id)["status"] == "pending"


def test_pauses_double_up_to_half_a_minute(orders, fake, till, clock):
    fake.silent_before = {Kind.AUTHORISE}
    orders.authorise()
    looks, find = [], fake.find_operation
    fake.find_operation = lambda key: looks.append(clock.now()) or find(key)

    began = clock.now()
    for _ in range(150):
        clock.advance(1)
        settling.settle(till)

    seconds = sorted({(look - began).total_seconds() for look in looks})
    assert seconds == [5, 10, 20, 40, 70, 100, 130]


def test_silent_provider_ends_the_turn_and_the_others_come_first_next_time(
    orders, fake, settle, till, clock
):
    for number in range(3):
        clock.advance(1)
        losing(fake, Kind.AUTHORISE, lambda number=number: orders.authorise(f"ord_{number}"))
    looked, find = [], fake.find_operation

    def silent_once(key):
        looked.append(key)
        if len(looked) == 1:
            raise ProviderSilent
        return find(key)

    fake.find_operation = silent_once
    with pytest.raises(ProviderSilent):
        settle()
    settle(0)

    with till.database.read() as session:
        statuses = session.execute(select(Payment.order_id, Payment.status)).all()
    assert dict(tuple(row) for row in statuses) == {
        "ord_0": "pending",
        "ord_1": "authorised",
        "ord_2": "authorised",
    }


def test_turn_has_a_limit_and_takes_the_longest_due_first(
    orders, fake, settle, clock, shown, monkeypatch
):
    monkeypatch.setattr(settling, "BATCH", 2)
    fake.silent_after = {Kind.AUTHORISE}
    payments = []
    for number in range(3):
        payments.append(orders.authorise(f"ord_{number}").json["id"])
        clock.advance(0.01)

    settle()

    statuses = [shown(payment_id)["status"] for payment_id in payments]
    assert statuses == ["authorised", "authorised", "pending"]


def test_processes_share_the_work(orders, fake, till, clock, database_url):
    """Several tills stand for several processes: each has a connection pool of its own."""
    for number in range(10):
        payment_id = orders.captured(f"ord_{number}")
        losing(fake, Kind.REFUND, lambda payment_id=payment_id: orders.refund(payment_id, 3000))
    databases = [Database(database_url, durable=True) for _ in range(4)]
    tills = [service.Till(database, fake, clock, 60, SETTLE_SECONDS) for database in databases]
    asked, refund = [], fake.refund
    fake.refund = lambda instruction: asked.append(instruction) or refund(instruction)
    clock.advance(SETTLE_SECONDS)

    at_once(4, lambda number: settling.settle(tills[number]))

    for database in databases:
        database.close()
    with till.database.read() as session:
        refunded = session.scalars(select(Payment.refunded_minor)).all()
        balances = ledger.trial_balance(session)
    assert refunded == [3000] * 10
    assert balances["USD", "refunds"] == 30000
    assert len(asked) == 10


def test_chore_and_repetition_at_once_book_a_refund_once(orders, fake, till, clock):
    payment_id = orders.captured()
    losing(fake, Kind.REFUND, lambda: orders.refund(payment_id, 3000, key="once"))
    clock.advance(SETTLE_SECONDS)
    calls = [
        lambda: settling.settle(till),
        lambda: orders.refund(payment_id, 3000, key="once"),
    ]

    at_once(6, lambda number: calls[number % 2]())

    assert service.find_payment(till, payment_id).refunded_minor == 3000
    assert kinds(fake).count(Kind.REFUND) == 1


def test_due_items_are_found_by_their_indexes(till):
    with Statements(till.database.engine) as statements:
        settling.settle(till)

    payments, refunds = statements.plans()
    assert "ix_payments_unsettled" in payments
    assert "ix_refunds_unfinished" in refunds


def test_booking_a_refund_by_hand_twice_changes_nothing(orders, fake, till):
    payment_id = orders.captured()
    losing(fake, Kind.REFUND, lambda: orders.refund(payment_id, 3000))
    with till.database.read() as session:
        claimed = session.scalars(select(Refund)).one()

    for _ in range(3):
        refunds.carry_on(till, claimed)

    assert service.find_payment(till, payment_id).refunded_minor == 3000


def test_service_settles_without_being_asked(orders, fake, mint, tmp_path, shown, database_url):
    payment_id = losing(fake, Kind.AUTHORISE, orders.authorise).json["id"]
    found, find = threading.Event(), fake.find_operation
    # The second look is at the void, after the authorisation was noted.
    fake.find_operation = lambda key: found.set() if key.endswith("void") else find(key)
    environ = {"PAYMENTS_DATABASE_URL": database_url, "RECONCILE_SECONDS": "0.02"}
    config = Config.from_environ({"SHOP_DATA_DIR": str(tmp_path), **environ})

    # Its clock goes on, so that the payment comes of age.
    later = FakeClock(datetime.now(UTC) + timedelta(minutes=1))
    other = create_app(config, clients=Clients(mint, fake), clock=later)
    settled = found.wait(10)

    for chore in other.extensions["background"]:
        chore.stop()
    other.extensions["till"].database.close()
    assert settled
    assert shown(payment_id)["status"] == "authorised"
