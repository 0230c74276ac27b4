import contextlib
import json
import time

import pytest
from flask import Request
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder

from chassis.errors import Invalid, Malformed, ServiceError, UnsupportedMediaType
from chassis.inbound.bodies import (
    MAX_BODY_BYTES,
    MAX_DEPTH,
    MAX_INTEGER,
    parse_json,
    read_json_object,
)
from tests.security.bad_bodies import JSON_TYPE, bad_json_bodies

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    lambda values: st.lists(values) | st.dictionaries(st.text('abc\\"[{é\u2028'), values),
    max_leaves=20,
)


def a_request(body: bytes, content_type: str | None = JSON_TYPE, **headers: str) -> Request:
    builder = EnvironBuilder(method="POST", data=body, content_type=content_type, headers=headers)
    return Request(builder.get_environ())


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


@given(JSON_VALUES, st.booleans())
def test_plain_json_is_read_as_the_standard_library_reads_it(value, ascii_only):
    body = json.dumps(value, ensure_ascii=ascii_only).encode()

    assert parse_json(body) == json.loads(body)


@given(st.binary() | st.text('[]{}",:\\u0d8e+-1 \n').map(str.encode))
def test_no_bytes_raise_anything_but_a_refusal(body):
    with contextlib.suppress(Malformed, Invalid):
        value = parse_json(body)
        assert value == json.loads(body)


@pytest.mark.parametrize(
    "body",
    [
        b"", b" \n", b"{", b'{"a": 1,}', b"{'a': 1}", b"{} {}", b"nul", b"01", b"+1", b".5", b"1.",
        b"NaN", b"[Infinity]", b"[-Infinity]", b"1e400", b"-1e400", b"\xef\xbb\xbf{}", b"\xff",
        b'"\xed\xa0\x80"', b'{"a": "\n"}', b'{"a": "\x00"}', b"\x00", "{}".encode("utf-16"),
        b'{"a": 1, "a": 1}', b'{"a": 1, "\\u0061": 2}', b'[{"b": {"a": 1, "a": 2}}]',
        b'{"__proto__": 1, "__proto__": 2}', b'{"a": "\\x41"}', b'{"a": "\\u12"}', b"\xc2\xa0",
    ],
)  # fmt: skip
def test_what_is_no_i_json_is_malformed(body):
    with pytest.raises(Malformed):
        parse_json(body)


@pytest.mark.parametrize(
    "body",
    [
        b"9223372036854775808", b"-9223372036854775808", b"[1, [9999999999999999999]]", b"9" * 5000,
        rb'"\u0000"', rb'{"\u0000": 1}', rb'[{"a": ["\ud800"]}]', rb'"\udc00\ud800"',
        rb'{"\udfff": 1}', rb'"a\u0000b"',
    ],
)  # fmt: skip
def test_what_no_database_can_store_is_invalid(body):
    with pytest.raises(Invalid):
        parse_json(body)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"9223372036854775807", MAX_INTEGER),
        (b"-9223372036854775807", -MAX_INTEGER),
        (rb'"\ud83e\uddea"', "\N{TEST TUBE}"),
        (rb'"\\u0000"', r"\u0000"),
        (b'{"a": {"a": 1}, "A": 2}', {"a": {"a": 1}, "A": 2}),
        (b" \t\r\n[1e2] ", [100.0]),
        (b'"\x7f\xe2\x80\xa8"', "\x7f\u2028"),
    ],
)
def test_what_looks_like_one_of_these_but_is_none_is_read(body, value):
    assert parse_json(body) == value


@pytest.mark.parametrize(
    "body",
    [
        nested(MAX_DEPTH),
        nested(MAX_DEPTH - 1).replace(b"[]", b"[[], []]"),
        b"[" + b",".join([nested(2)] * 100) + b"]",
        json.dumps({"text": "[{" * 100, 'escaped "': '\\"[' * 100}).encode(),
    ],
)
def test_brackets_that_do_not_nest_too_deeply_are_read(body):
    assert parse_json(body) == json.loads(body)


@pytest.mark.parametrize(
    "body",
    [
        nested(MAX_DEPTH + 1),
        b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1),
        b'["text ]", ' * (MAX_DEPTH + 1) + b"1" + b"]" * (MAX_DEPTH + 1),
        b'["\\"]", ' * (MAX_DEPTH + 1) + b"1" + b"]" * (MAX_DEPTH + 1),
    ],
)
def test_brackets_that_nest_too_deeply_are_malformed(body):
    with pytest.raises(Malformed, match="deeper"):
        parse_json(body)


@pytest.mark.parametrize(
    "part",
    ["[", "[]", '{"a":', '"', '\\"', '"\\', '"[', '["\\"', "9", "-", "0.1e", " ", "\\u0000", "[9"],
)
def test_a_body_of_the_largest_size_is_refused_in_linear_time(part):
    # Enough brackets in front for the depth to be measured at all.
    body = b"[" + b"[]," * 40 + (part * MAX_BODY_BYTES).encode()[: MAX_BODY_BYTES - 200]
    started = time.process_time()

    with pytest.raises(ServiceError):
        parse_json(body)

    # Quadratic time would be minutes; twenty times what this takes is still no flake.
    assert time.process_time() - started < 2


@pytest.mark.parametrize("text", ["a[", '\\"[', "\\\\{", "é["])
def test_a_text_of_the_largest_size_is_read_in_linear_time(text):
    body = f'{{"a": "{text * (MAX_BODY_BYTES // 4)}"}}'.encode()
    started = time.process_time()

    assert parse_json(body) == json.loads(body)

    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    "content_type",
    [JSON_TYPE, "Application/JSON", "application/json; charset=utf-8", "application/json;"],
)
def test_json_is_read_whatever_the_spelling_of_its_type(content_type):
    assert read_json_object(a_request(b'{"a": 1}', content_type)) == {"a": 1}


@pytest.mark.parametrize(
    "content_type",
    [
        None, "", "json", "text/json", "text/plain", "application/problem+json",
        "application/jsonx", "application/json+x", "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ],
)  # fmt: skip
def test_another_type_is_unsupported_even_if_the_body_is_json(content_type):
    with pytest.raises(UnsupportedMediaType):
        read_json_object(a_request(b'{"a": 1}', content_type))


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "x-unknown", "identity, gzip"])
def test_a_content_coding_is_unsupported(coding):
    with pytest.raises(UnsupportedMediaType):
        read_json_object(a_request(b'{"a": 1}', **{"Content-Encoding": coding}))


def test_the_identity_coding_is_no_coding():
    request = a_request(b'{"a": 1}', **{"Content-Encoding": "Identity"})

    assert read_json_object(request) == {"a": 1}


@pytest.mark.parametrize("body", [b"[]", b"[{}]", b"null", b"true", b'"x"', b"1", b"0.5"])
def test_json_that_is_no_object_is_invalid(body):
    with pytest.raises(Invalid):
        read_json_object(a_request(body))


def test_the_corpus_holds_many_different_bodies_and_none_is_the_good_one():
    good = {"name": "x", "quantity": 1, "tags": ["a"], "money": {"minor": 1}}

    bodies = bad_json_bodies(good)

    assert len(set(bodies.values())) >= 120
    assert (json.dumps(good).encode(), JSON_TYPE) not in bodies.values()
