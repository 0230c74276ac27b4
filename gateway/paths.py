r"""Bring request targets into the one form that is both checked and sent on.

Two programs that read a path differently are a hole: one of them authorises what the other does
not serve.  So whatever could be read in two ways is refused, not repaired: empty and dot segments,
``;`` and ``\``, encoded separators and controls, double and overlong encodings, trailing dots and
spaces.  Source: RFC 3986, section 6.2.2 (normalisation).
"""

import re
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from chassis.errors import Malformed, NotFound
from gateway.errors import URITooLong

MAX_LENGTH: Final = 8190
MAX_SEGMENTS: Final = 32
MAX_PARAMETERS: Final = 100

# Characters that may stand in a segment as they are; RFC 3986's pchar without ";" and "%".  No
# possessive quantifiers: in a group, Python 3.11.2 lets them match what they should not.
_LAST = "A-Za-z0-9_~!$&'()*+,=:@-"
_SAFE = f".{_LAST}"
_PLAIN_PATH = re.compile(rf"(?:/[{_SAFE}]*[{_LAST}])+", re.ASCII)
_SEGMENT = re.compile(rf"(?:[{_SAFE}]|%[0-9A-Fa-f]{{2}})+", re.ASCII)
_AMBIGUOUS = re.compile(r"[\x00-\x1f\x7f-\x9f/\\;]|%[0-9A-Fa-f]{2}|[. ]\Z", re.ASCII)
_QUERY = re.compile(r"[!\"$-~]*", re.ASCII)


def parse_target(raw: str) -> tuple[str, str]:
    """Return the normalised path of a request's target, and the target that is sent on.

    The query goes on as it came; services read it like any input.

    Raises:
        Malformed: when it can be read in more than one way, or is none.
        NotFound: when it has a trailing slash or too many segments.
        URITooLong: above ``MAX_LENGTH`` characters.
    """
    if len(raw) > MAX_LENGTH:
        raise URITooLong(f"An address may have {MAX_LENGTH} characters.")
    path, _, query = raw.partition("?")
    if not _QUERY.fullmatch(query) or query.count("&") >= MAX_PARAMETERS:
        raise Malformed("The query can't be read or has too many parameters.")
    path = path if path == "/" else normalise(path)
    return path, f"{path}?{query}" if query else path


def normalise(path: str) -> str:
    """Return the one spelling of a path; see :func:`parse_target` for what is refused."""
    if path.count("/") > MAX_SEGMENTS:
        raise NotFound("Nothing is at this address.")
    if _PLAIN_PATH.fullmatch(path):
        return path
    if not path.startswith("/") or "//" in path:
        raise Malformed("The path is ambiguous.")
    if path.endswith("/"):
        raise NotFound("Nothing is at this address.")
    return "".join(f"/{_normalise_segment(segment)}" for segment in path[1:].split("/"))


def _normalise_segment(segment: str) -> str:
    try:
        text = unquote_to_bytes(segment).decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if not _SEGMENT.fullmatch(segment) or _AMBIGUOUS.search(text):
        raise Malformed("The path is ambiguous.")
    return quote(text, safe="!$&'()*+,=:@")
