"""Read JSON from strangers, refusing what would surprise a parser further in.

Flask's own ``request.get_json`` lets through what later makes a 500, or means one thing here
and another there: deep nesting, NaN, duplicate members, UTF-16, lone surrogates, NUL, integers
beyond 64 bits.  Source: RFC 8259 and RFC 7493 (I-JSON), whose restrictions are enforced here.
"""

import json
import re
from typing import Any, NoReturn

from flask import Request
from werkzeug.exceptions import HTTPException

from chassis.errors import Invalid, Malformed, UnsupportedMediaType

MAX_BODY_BYTES = 1024 * 1024
MAX_DEPTH = 32
MAX_INTEGER = 2**63 - 1
MAX_INTEGER_DIGITS = 19  # of 2**63 - 1; also keeps Python from converting huge numbers.

# The escape, and not an escaped backslash before the letters.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
# Either a whole string, so that its brackets are passed over, or one bracket.  It takes a string
# without an end too, so that no body makes it read anything twice.
_OUTSIDE_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)


def read_json_object(request: Request) -> dict[str, Any]:
    """Return the object that a request carries.

    Raises:
        UnsupportedMediaType: the body is no JSON by its type, or has a content coding.
        Malformed: it can't be read as I-JSON.
        Invalid: it is JSON, but no object, or holds what can't be stored.
    """
    if request.mimetype != "application/json":
        raise UnsupportedMediaType("Send JSON with 'Content-Type: application/json'.")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("Send the body without a content coding.")
    document = parse_json(read_body(request))
    if not isinstance(document, dict):
        raise Invalid("The body has to be a JSON object.")
    return document


def read_body(request: Request) -> bytes:
    """Return the whole body.

    Raises:
        Malformed: it ended early, or its chunks are broken.
    """
    try:
        body = request.get_data(cache=True)
    except HTTPException:
        raise
    except Exception as error:
        # Each server has its own exceptions for broken chunks; all mean the same here.
        raise Malformed("The body is broken.") from error
    if len(body) < (request.content_length or 0):
        raise Malformed("The body is shorter than announced.")
    return body


def parse_json(body: bytes) -> Any:
    """Parse bytes as I-JSON.

    Raises:
        Malformed: not UTF-8 without a byte order mark, not JSON, nested deeper than
            ``MAX_DEPTH``, or with duplicate members, NaN or infinite numbers.
        Invalid: text with NUL or lone surrogates, integers beyond 64 bits.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("The body is not UTF-8.") from None
    if not text.strip() or text.startswith("\ufeff"):
        raise Malformed("The body is empty or starts with a byte order mark.")
    if _depth(text) > MAX_DEPTH:
        raise Malformed(f"The body is nested deeper than {MAX_DEPTH} levels.")
    try:
        document = _DECODER.decode(text)
    except ValueError:
        raise Malformed("The body is not valid JSON.") from None
    if "\\u" in text:
        _check_text(document)
    return document


def _depth(text: str) -> int:
    # Few brackets can't nest deeply, and most bodies have few.
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return 0
    deepest = level = 0
    for bracket in _OUTSIDE_STRINGS.findall(text):
        level += {"[": 1, "{": 1, "]": -1, "}": -1}.get(bracket, 0)
        deepest = max(deepest, level)
        if deepest > MAX_DEPTH:
            break
    return deepest


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Malformed("The body has a duplicate member.")
    return members


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > MAX_INTEGER_DIGITS or abs(int(digits)) > MAX_INTEGER:
        raise Invalid("The body has an integer beyond 64 bits.")
    return int(digits)


def _number(digits: str) -> float:
    number = float(digits)
    if number in {float("inf"), float("-inf")}:
        raise Malformed("The body has a number that is too large.")
    return number


def _constant(name: str) -> NoReturn:
    raise Malformed(f"The body has {name}, which is not JSON.")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_members, parse_int=_integer, parse_float=_number, parse_constant=_constant
)


def _check_text(document: Any) -> None:
    # Written out again, NUL is an escape and a lone surrogate can't be encoded.
    text = json.dumps(document, ensure_ascii=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = r"\u0000"
    if _NUL.search(text):
        raise Invalid("The body has text with NUL or a lone surrogate.")
