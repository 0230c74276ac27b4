"""Hold cursors against their promises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Invalid
from chassis.inbound.pagination import decode_cursor, encode_cursor

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=50)


@given(st.integers(-(2**62), 2**62), TEXT)
def test_cursor_gives_back_what_it_was_made_of(number, text):
    assert decode_cursor(encode_cursor([number, text]), (int, str)) == (number, text)


@pytest.mark.parametrize("cursor", ["", "x", "W10", "bnVsbA", "eyJhIjoxfQ", "é", "W1tbW1tbW10"])
def test_made_up_cursor_is_refused(cursor):
    with pytest.raises(Invalid):
        decode_cursor(cursor, (int, str))


@pytest.mark.parametrize("values", [[1], ["1", "x"], [1, 2], [True, "x"], [2**64, "x"], [1, "\0"]])
def test_cursor_of_another_list_is_refused(values):
    with pytest.raises(Invalid):
        decode_cursor(encode_cursor(values), (int, str))
