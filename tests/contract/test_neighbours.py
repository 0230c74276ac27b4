"""Hold the fakes of services, and their real neighbours, against the same expectations."""

import itertools
from datetime import UTC, datetime

import pytest

from contracts.money import Money
from services.accounts.errors import LastOperator
from services.accounts.tests.fakes import FakeUsers
from services.greetings.clients import Person
from services.greetings.tests.fakes import FakeAccounts
from services.orders.domain import Line
from services.orders.errors import (
    IllegalTransition,
    OutOfStock,
    PaymentDeclined,
    RefundExceedsCaptured,
    ReservationLost,
    UnknownCardToken,
    UnknownProduct,
)
from services.orders.tests.fakes import FakePayments, FakeProducts
from tests.system.whole_shop import whole_shop

AMOUNT = Money(10_000)
ORDER_IDS = (f"ord_contract_{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    with whole_shop(tmp_path_factory.mktemp("shop")) as shop:
        yield shop


@pytest.fixture(scope="module")
def real(shop):
    return shop.apps["orders"].extensions["shop"].clients


@pytest.fixture(params=["fake", "real"])
def products(request):
    if request.param == "fake":
        return FakeProducts()
    return request.getfixturevalue("real").products


@pytest.fixture(params=["fake", "real"])
def payments(request):
    if request.param == "fake":
        return FakePayments()
    return request.getfixturevalue("real").payments


@pytest.fixture(params=["fake", "real"])
def users(request):
    """Return who erases people, with the id of the one operator."""
    if request.param == "fake":
        return FakeUsers(last_operator="olga"), "olga"
    shop = request.getfixturevalue("shop")
    client = shop.client("auth")
    client.post("/api/v1/auth/login", json={"username": "admin", "password": "admin"})
    admin = client.get("/api/v1/auth/me").get_json()
    return shop.apps["accounts"].extensions["directory"].clients.users, admin["id"]


@pytest.fixture(params=["fake", "real"])
def known(request):
    """Return who knows people, of whom there is Alice, who wants to be greeted in German."""
    if request.param == "fake":
        accounts = FakeAccounts()
        accounts.people["user-alice"] = Person("alice", "de-AT")
        return accounts
    shop = request.getfixturevalue("shop")
    news = {"user_id": "user-alice", "username": "alice", "email": None, "language": "de-AT"}
    envelope = {"id": "contract-1", "type": "user.imported", "version": 1, "data": news}
    envelope |= {"aggregate_id": "user-alice", "occurred_at": datetime.now(UTC)}
    shop.apps["accounts"].extensions["consumer"].take(envelope)
    return shop.apps["greetings"].extensions["accounts"]


@pytest.fixture
def order_id():
    return next(ORDER_IDS)


@pytest.fixture
def authorised(payments, order_id):
    return payments.authorise(order_id, "alice", AMOUNT, "tok_ok")


def stock_of(products):
    return products.offers([1])[1].stock


def test_offers_leave_unknown_products_out(products):
    assert set(products.offers([1, 2, 999_999])) == {1, 2}


def test_reserving_takes_the_stock_and_tells_the_price(products, order_id):
    before = stock_of(products)

    lines = products.reserve(order_id, [Line(1, 2)])

    assert stock_of(products) == before - 2
    assert [line.price for line in lines] == [products.offers([1])[1].price]


def test_reserving_twice_takes_the_stock_once(products, order_id):
    before = stock_of(products)

    first = products.reserve(order_id, [Line(1, 2)])
    again = products.reserve(order_id, [Line(1, 2)])

    assert again == first
    assert stock_of(products) == before - 2


@pytest.mark.parametrize(
    ("line", "refusal"), [(Line(1, 1000), OutOfStock), (Line(999_999, 1), UnknownProduct)]
)
def test_refused_reservation_holds_nothing(products, order_id, line, refusal):
    before = stock_of(products)

    with pytest.raises(refusal):
        products.reserve(order_id, [Line(2, 1), line])

    assert stock_of(products) == before


def test_released_goods_are_on_sale_again_and_stay_released(products, order_id):
    before = stock_of(products)
    products.reserve(order_id, [Line(1, 1)])

    products.release(order_id)
    products.release(order_id)

    assert stock_of(products) == before
    with pytest.raises(ReservationLost):
        products.confirm(order_id)


def test_release_that_overtakes_the_reservation_wins(products, order_id):
    products.release(order_id)

    with pytest.raises(ReservationLost):
        products.reserve(order_id, [Line(1, 1)])


def test_final_reservation_is_restocked_and_not_released(products, order_id):
    before = stock_of(products)
    products.reserve(order_id, [Line(1, 1)])
    products.confirm(order_id)
    products.confirm(order_id)

    with pytest.raises(IllegalTransition):
        products.release(order_id)
    products.restock(order_id)
    products.restock(order_id)

    assert stock_of(products) == before


def test_authorising_twice_gives_one_payment(payments, order_id, authorised):
    again = payments.authorise(order_id, "alice", AMOUNT, "tok_ok")

    assert again == authorised
    assert authorised.status == "authorised"


@pytest.mark.parametrize(
    ("token", "refusal"), [("tok_declined", PaymentDeclined), ("card", UnknownCardToken)]
)
def test_refused_card_is_refused_again(payments, order_id, token, refusal):
    for _ in range(2):
        with pytest.raises(refusal):
            payments.authorise(order_id, "alice", AMOUNT, token)


def test_silent_provider_leaves_the_payment_pending(payments, order_id):
    assert payments.authorise(order_id, "alice", AMOUNT, "tok_hang").status == "pending"


def test_capturing_twice_takes_the_money_once(payments, authorised):
    first = payments.capture(authorised.id)
    again = payments.capture(authorised.id)

    assert first == again
    assert again.captured == AMOUNT


def test_voiding_is_safe_to_repeat_and_impossible_after_the_capture(payments, order_id, authorised):
    payments.capture(authorised.id)

    with pytest.raises(IllegalTransition):
        payments.void(order_id)


def test_void_that_overtakes_the_charge_wins(payments, order_id):
    payments.void(order_id)
    payments.void(order_id)

    with pytest.raises(IllegalTransition):
        payments.authorise(order_id, "alice", AMOUNT, "tok_ok")


def test_refunds_add_up_to_what_was_captured(payments, authorised):
    payments.capture(authorised.id)
    payments.refund(authorised.id, Money(3000), "one")
    payments.refund(authorised.id, Money(3000), "one")

    payment = payments.refund(authorised.id, None, "rest")

    assert payment.refunded == payment.captured == AMOUNT


def test_refund_above_what_is_left_is_refused(payments, authorised):
    payments.capture(authorised.id)

    with pytest.raises(RefundExceedsCaptured):
        payments.refund(authorised.id, Money(10_001), "too-much")


def test_rest_of_nothing_is_refused_and_capturing_again_tells_so(payments, authorised):
    payments.capture(authorised.id)
    payments.refund(authorised.id, None, "all")

    with pytest.raises(RefundExceedsCaptured):
        payments.refund(authorised.id, None, "rest")

    payment = payments.capture(authorised.id)
    assert payment.refunded == payment.captured == AMOUNT


def test_erasing_is_safe_to_repeat_and_to_ask_for_whom_nobody_knows(users):
    eraser, _ = users

    for _ in range(2):
        eraser.erase("user-nobody")


def test_last_operator_is_not_erased(users):
    eraser, operator = users

    for _ in range(2):
        with pytest.raises(LastOperator):
            eraser.erase(operator)


def test_person_is_known_by_name_and_language(known):
    assert known.find_person("user-alice") == Person("alice", "de-AT")


def test_nobody_is_known_by_another_id(known):
    assert known.find_person("user-nobody") is None
