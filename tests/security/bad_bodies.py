"""Make every kind of body that a JSON route has to refuse."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

JSON_TYPE = "application/json"
REFUSALS = frozenset({400, 415, 422})
"""The statuses with which one of these bodies may be answered."""

Body = tuple[bytes, str]

NUMBERS = {
    "NaN": "NaN",
    "Infinity": "Infinity",
    "-Infinity": "-Infinity",
    "1e400": "1e400",
    "2**63": str(2**63),
    "-2**63 - 1": str(-(2**63) - 1),
    "5,000 digits": "9" * 5000,
    "a fraction of 5,000 digits": f"0.{'9' * 5000}e5000",
}


def bad_json_bodies(good: Mapping[str, Any]) -> dict[str, Body]:
    """Return bodies with their content types, each under the name of what is wrong with it.

    Args:
        good: a body that the route accepts; it has all members that are required and no others.
    """
    return {
        **_other_types(good),
        **_other_encodings(good),
        **_no_objects(),
        **_unreadable(good),
        **_changed_members(good),
    }


def _other_types(good: Mapping[str, Any]) -> dict[str, Body]:
    body = json.dumps(good).encode()
    types = (
        "", "text/plain", "text/json", "application/x-www-form-urlencoded", "multipart/form-data",
        "application/xml", "application/octet-stream", "application/jsonp", "application/json-seq",
        "application/vnd.api+json", "application", "json", "*/*",
    )  # fmt: skip
    return {
        **{f"type {name!r}": (body, name) for name in types},
        "a form": (b"username=alice&password=alice", "application/x-www-form-urlencoded"),
    }


def _other_encodings(good: Mapping[str, Any]) -> dict[str, Body]:
    text = json.dumps(good)
    bodies = {
        "UTF-16": text.encode("utf-16"),
        "UTF-16 without a mark": text.encode("utf-16-le"),
        "UTF-32": text.encode("utf-32"),
        "a byte order mark": b"\xef\xbb\xbf" + text.encode(),
        "bytes that are not UTF-8": text.encode() + b"\xff",
        "an overlong slash": b'{"\xc0\xaf": 1}',
        "a surrogate in UTF-8": b'{"\xed\xa0\x80": 1}',
    }
    return {name: (body, JSON_TYPE) for name, body in bodies.items()}


def _no_objects() -> dict[str, Body]:
    texts = ("", " ", "[]", "[{}]", "null", "true", '"x"', "1", "1.5", "NaN")
    return {f"just {text!r}": (text.encode(), JSON_TYPE) for text in texts}


def _unreadable(good: Mapping[str, Any]) -> dict[str, Body]:
    text = json.dumps(good)
    name = json.dumps(next(iter(good)))
    texts = {
        "no JSON": "username=alice",
        "an unfinished object": text[:-1],
        "an unfinished string": text.rpartition('"')[0],
        "a comma too many": f"{text[:-1]},}}",
        "a second document": text * 2,
        "single quotes": text.replace('"', "'"),
        "a comment": f"/* hello */ {text}",
        "a member twice": f'{{{name}: "x", {text[1:]}',
        "a member twice, once escaped": f'{{"{_escaped(name[1:-1])}": "x", {text[1:]}',
        "100,000 arrays": "[" * 100_000,
        "100,000 closed arrays": f"{{{name}: {'[' * 100_000}{']' * 100_000}}}",
        "100,000 objects": '{"a":' * 100_000,
        "33 levels": f"{{{name}: {'[' * 33}{']' * 33}}}",
        "a raw NUL": text.replace('"', '"\x00', 1),
        "a raw newline in a text": f'{{{name}: "a\nb"}}',
        **{
            f"{label} unasked": f'{text[:-1]}, "extra": {number}}}'
            for label, number in NUMBERS.items()
        },
    }
    return {name: (text.encode(), JSON_TYPE) for name, text in texts.items()}


def _changed_members(good: Mapping[str, Any]) -> dict[str, Body]:
    changed: dict[str, Any] = {
        "no members": {},
        "an unknown member": {**good, "unheard_of": 1},
        "an empty name": {**good, "": 1},
        "a name with a NUL": {**good, "a\x00": 1},
        "a name with a lone surrogate": {**good, "\ud800": 1},
        **{
            f"an unasked {name}": {**good, name: 1}
            for name in ("id", "role", "is_admin", "__proto__")
        },
    }
    for name, value in good.items():
        changed[f"{name} missing"] = {key: good[key] for key in good if key != name}
        for wrong in _wrong_values(value):
            changed[f"{name}: {wrong!r}"] = {**good, name: wrong}
    bodies = {name: json.dumps(document) for name, document in changed.items()}
    for name in good:
        rest = json.dumps({key: good[key] for key in good if key != name})
        joint = ", " if len(good) > 1 else ""
        for label, number in NUMBERS.items():
            bodies[f"{name}: {label}"] = f"{rest[:-1]}{joint}{json.dumps(name)}: {number}}}"
    return {name: (text.encode(), JSON_TYPE) for name, text in bodies.items()}


def _wrong_values(value: Any) -> Iterator[Any]:
    yield from (None, 1.5, [None], {"a": 1})
    if not isinstance(value, bool):
        yield from (True, False)
    if not isinstance(value, str):
        yield from ("x", "")
    else:
        yield from ("\ud800", "a\x00b", "\udc00\ud800")
    if not isinstance(value, int):
        yield from (0, 1, -1)
    else:
        yield from (str(value), float(value), f"{value}.0", "\uff11")  # A full-width digit.
    if not isinstance(value, list):
        yield from ([], [value])
    if not isinstance(value, dict):
        yield {}


def _escaped(text: str) -> str:
    return "".join(f"\\u{ord(character):04x}" for character in text)
