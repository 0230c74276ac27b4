"""Hold every provider to the same promises, then the stand-in to its own."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from contracts.money import Money
from services.payments.domain import Kind
from services.payments.errors import (
    InsufficientFunds,
    OperationRefused,
    PaymentDeclined,
    ProviderSilent,
    UnknownCardToken,
)
from services.payments.stand_in import MAX_WAITING, StandInProvider
from storage.database import Database

from .conftest import TIMEOUT_SECONDS
from .fakes import an_instruction, as_provider, at_once


@pytest.fixture(params=["stand_in", "fake"])
def provider(request, stand_in, fake):
    return as_provider({"stand_in": stand_in, "fake": fake}[request.param])


@pytest.fixture
def held(provider):
    """Have 100.00 on hold."""
    return provider.authorise(an_instruction(), "tok_ok")


def capture_of(amount_minor=10000):
    return an_instruction("pay_1:capture", amount_minor=amount_minor)


def refund_of(amount_minor, key="pay_1:refund:1"):
    return an_instruction(key, amount_minor=amount_minor)


VOID = an_instruction("pay_1:void")


# What every provider promises.


def test_operation_is_recorded_as_it_was_asked_for(provider, held, clock):
    assert provider.operations("ord_1") == [held]
    assert (held.kind, held.payment_id, held.order_id) == (Kind.AUTHORISE, "pay_1", "ord_1")
    assert (held.amount, held.created_at) == (Money(10000), clock.now())


def test_operation_is_found_by_its_key_and_by_nothing_else(provider, held):
    assert provider.find_operation("pay_1:authorise") == held
    assert provider.find_operation("pay_1:capture") is None


def test_repetition_with_the_same_key_returns_the_first_operation(provider, held):
    again = provider.authorise(an_instruction(), "tok_ok")

    assert again == held
    assert len(provider.operations("ord_1")) == 1


def test_key_of_another_amount_is_refused(provider, held):
    with pytest.raises(OperationRefused):
        provider.authorise(an_instruction(amount_minor=1), "tok_ok")


def test_second_hold_with_another_key_is_refused(provider, held):
    with pytest.raises(OperationRefused):
        provider.authorise(an_instruction("another"), "tok_ok")


@pytest.mark.parametrize(
    ("token", "refusal"),
    [
        ("tok_declined", PaymentDeclined),
        ("tok_insufficient_funds", InsufficientFunds),
        ("tok_of_nobody", UnknownCardToken),
    ],
)
def test_refused_card_leaves_no_record(provider, token, refusal):
    with pytest.raises(refusal):
        provider.authorise(an_instruction(), token)

    assert provider.operations("ord_1") == []


def test_capture_needs_a_hold(provider):
    with pytest.raises(OperationRefused):
        provider.capture(capture_of())


def test_capture_takes_no_more_than_is_on_hold(provider, held):
    with pytest.raises(OperationRefused):
        provider.capture(capture_of(10001))


def test_nothing_is_captured_after_a_void(provider, held):
    provider.void(VOID)

    with pytest.raises(OperationRefused):
        provider.capture(capture_of())


def test_nothing_is_voided_after_a_capture(provider, held):
    provider.capture(capture_of())

    with pytest.raises(OperationRefused):
        provider.void(VOID)


def test_authorisation_that_comes_after_its_void_is_refused(provider):
    provider.void(VOID)

    with pytest.raises(OperationRefused):
        provider.authorise(an_instruction(), "tok_ok")


def test_refund_needs_a_capture(provider, held):
    with pytest.raises(OperationRefused):
        provider.refund(refund_of(1))


def test_refunds_stop_at_what_was_captured(provider, held):
    provider.capture(capture_of())
    provider.refund(refund_of(6000))

    with pytest.raises(OperationRefused):
        provider.refund(refund_of(4001, "pay_1:refund:2"))

    assert provider.refund(refund_of(4000, "pay_1:refund:3")).amount == Money(4000)


def test_operations_come_oldest_first_and_by_order(provider, held):
    provider.capture(capture_of())
    provider.refund(refund_of(1))

    assert [operation.kind for operation in provider.operations("ord_1")] == [
        Kind.AUTHORISE,
        Kind.CAPTURE,
        Kind.REFUND,
    ]
    assert provider.operations("ord_2") == []


# What the stand-in does besides.


def test_hanging_card_costs_the_timeout_and_leaves_no_record(stand_in, waits):
    with pytest.raises(ProviderSilent):
        stand_in.authorise(an_instruction(), "tok_hang")

    assert waits == [TIMEOUT_SECONDS]
    assert stand_in.operations("ord_1") == []


def test_card_that_hangs_after_the_charge_leaves_a_record(stand_in, waits):
    with pytest.raises(ProviderSilent):
        stand_in.authorise(an_instruction(), "tok_hang_after_charge")

    assert waits == [TIMEOUT_SECONDS]
    assert stand_in.find_operation("pay_1:authorise")


def test_card_that_fails_after_the_charge_answers_at_once_and_leaves_a_record(stand_in, waits):
    with pytest.raises(ProviderSilent):
        stand_in.authorise(an_instruction(), "tok_error_after_charge")

    assert waits == []
    assert stand_in.find_operation("pay_1:authorise")


def test_hanging_cards_never_hold_more_than_half_of_the_threads(stand_in):
    waiting, leave = threading.Semaphore(0), threading.Event()

    def wait(_seconds):
        waiting.release()
        leave.wait(20)

    def hang():
        with pytest.raises(ProviderSilent):
            stand_in.authorise(an_instruction(), "tok_hang")

    stand_in._wait = wait
    with ThreadPoolExecutor(MAX_WAITING) as pool:
        hanging = [pool.submit(hang) for _ in range(MAX_WAITING)]
        entered = [waiting.acquire(timeout=20) for _ in hanging]
        hang()
        leave.set()

    assert entered == [True] * MAX_WAITING
    assert not waiting.acquire(blocking=False)


def test_outcome_is_unknown_when_the_record_cannot_be_reached(
    stand_in, databases, provider_database_url
):
    stand_in._database.close()
    databases.destroy(provider_database_url)

    with pytest.raises(ProviderSilent):
        stand_in.authorise(an_instruction(), "tok_ok")
    with pytest.raises(ProviderSilent):
        stand_in.find_operation("pay_1:authorise")
    with pytest.raises(ProviderSilent):
        stand_in.operations("ord_1")


def test_first_uses_at_once_make_the_tables(databases, tmp_path, clock):
    address = databases.create("provider", tmp_path)
    records = [Database(address, durable=True) for _ in range(6)]

    def use(number):
        process = StandInProvider(records[number // 2], clock, timeout_seconds=TIMEOUT_SECONDS)
        return process.find_operation("pay_1:authorise")

    try:
        assert at_once(12, use) == [None] * 12
    finally:
        for record in records:
            record.close()


def test_record_survives_a_restart(stand_in, clock):
    held = stand_in.authorise(an_instruction(), "tok_ok")

    reopened = StandInProvider(stand_in._database, clock, timeout_seconds=TIMEOUT_SECONDS)

    assert reopened.operations("ord_1") == [held]


def test_card_that_duplicates_its_webhook_reports_the_authorisation(stand_in):
    reported = []
    stand_in._report_twice = reported.append

    held = stand_in.authorise(an_instruction(), "tok_duplicate_webhook")

    assert reported == [held] == list(stand_in.operations("ord_1"))


def test_hold_and_void_at_once_end_in_one_order_or_the_other(stand_in):
    def call(number):
        payment_id = f"pay_{number // 2}"
        try:
            if number % 2:
                return stand_in.void(an_instruction(f"{payment_id}:void", payment_id=payment_id))
            wanted = an_instruction(f"{payment_id}:authorise", payment_id=payment_id)
            return stand_in.authorise(wanted, "tok_ok")
        except OperationRefused:
            return None

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, range(60)))

    for number in range(30):
        kinds = [o.kind for o in stand_in.operations("ord_1") if o.payment_id == f"pay_{number}"]
        assert kinds in ([Kind.VOID], [Kind.AUTHORISE, Kind.VOID])
