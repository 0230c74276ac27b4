import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from contracts.money import MAX_AMOUNT_MINOR, Money, MoneyError, MoneySchema

amounts = st.integers(min_value=0, max_value=MAX_AMOUNT_MINOR)


@pytest.mark.parametrize(
    ("text", "currency", "amount_minor"),
    [
        ("19.99", "USD", 1999),
        ("0", "USD", 0),
        ("7", "USD", 700),
        ("7.5", "USD", 750),
        ("7.500", "USD", 750),
        ("0.01", "USD", 1),
        ("1200", "JPY", 1200),
        ("10000000000.00", "USD", MAX_AMOUNT_MINOR),
    ],
)
def test_decimal_text_is_read_exactly(text, currency, amount_minor):
    assert Money.from_decimal(text, currency) == Money(amount_minor, currency)


@pytest.mark.parametrize(
    "text",
    [
        *("", "-1", "+1", "1.", ".5", "1,5", "1e3", "NaN", "1_000", "١٢", " 1", "1\n", "0.001"),
        *("10000000000.01", "9" * 5000, "$1"),
    ],
)
def test_text_that_is_no_amount_is_refused(text):
    with pytest.raises(MoneyError):
        Money.from_decimal(text, "USD")


@given(amounts)
def test_what_is_shown_to_people_reads_back_as_the_same_amount(amount_minor):
    money = Money(amount_minor, "USD")

    assert Money.from_decimal(*str(money).split(" ")) == money


def test_a_currency_without_minor_unit_is_shown_without_a_point():
    assert str(Money(1200, "JPY")) == "1200 JPY"


def test_small_amounts_add_up_without_an_error_of_rounding():
    dime = Money.from_decimal("0.10", "USD")

    assert dime.plus(dime).plus(dime) == Money(30, "USD")
    assert Money.from_decimal("19.99", "USD").times(7) == Money(13993, "USD")


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 1000)), max_size=50))
def test_the_sum_of_the_lines_is_the_total(lines):
    total = Money(0, "USD")
    for amount_minor, quantity in lines:
        total = total.plus(Money(amount_minor, "USD").times(quantity))

    assert total.amount_minor == sum(price * quantity for price, quantity in lines)


@given(amounts, amounts)
def test_taking_away_undoes_adding_and_never_goes_below_zero(one, other):
    larger, smaller = max(one, other), min(one, other)

    rest = Money(larger).minus(Money(smaller))

    assert rest.amount_minor + smaller == larger
    if larger > smaller:
        with pytest.raises(MoneyError):
            Money(smaller).minus(Money(larger))


def test_currencies_are_never_mixed():
    dollars, euros = Money(100, "USD"), Money(100, "EUR")

    with pytest.raises(MoneyError, match="USD and EUR"):
        dollars.plus(euros)
    with pytest.raises(MoneyError, match="USD and EUR"):
        dollars.minus(euros)


@pytest.mark.parametrize("amount", [-1, MAX_AMOUNT_MINOR + 1, 1.0, True, "1", None])
def test_only_integers_in_range_are_amounts(amount):
    with pytest.raises(MoneyError):
        Money(amount, "USD")


def test_an_unknown_currency_is_refused():
    with pytest.raises(MoneyError, match="XXX"):
        Money(1, "XXX")


def test_a_product_out_of_range_is_refused_and_not_wrapped_around():
    with pytest.raises(MoneyError):
        Money(MAX_AMOUNT_MINOR).times(2)


@given(amounts)
def test_json_reads_back_as_the_same_amount(amount_minor):
    schema = MoneySchema()

    document = schema.dump(Money(amount_minor))

    assert document == {"amount_minor": amount_minor, "currency": "USD"}
    assert schema.load(document) == Money(amount_minor)


@pytest.mark.parametrize(
    ("change", "member"),
    [
        *(({"amount_minor": bad}, "amount_minor") for bad in (-1, 10**12 + 1, 2**63, 1.0, 1.5)),
        *(({"amount_minor": bad}, "amount_minor") for bad in ("1", True, None, [1])),
        *(({"currency": bad}, "currency") for bad in ("EUR", "usd", "", 1, None)),
        ({"amount": 1}, "amount"),
    ],
)
def test_json_that_is_no_amount_in_a_currency_of_the_shop_is_refused(change, member):
    with pytest.raises(ValidationError) as refusal:
        MoneySchema().load({"amount_minor": 1, "currency": "USD", **change})

    assert list(refusal.value.messages) == [member]
