"""Carry the request id and the trace context from a request to its calls and log lines.

Source: W3C Trace Context, sections 3.2 (traceparent) and 4.3 (mutating it).
"""

import random
import re
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass

REQUEST_ID_HEADER = "X-Request-Id"

# Short and plain, so that a forged id can neither break a log line nor swell one.
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Trace:
    """Name one request and its place in a distributed trace.

    ``traceparent`` is the header value that names this request's span as the parent of others.
    """

    request_id: str
    trace_id: str
    traceparent: str


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def begin(headers: Mapping[str, str]) -> Trace:
    """Start the span of an incoming request, continuing the caller's trace when it is valid."""
    request_id = headers.get(REQUEST_ID_HEADER, "")
    if not _REQUEST_ID.fullmatch(request_id):
        request_id = _random_hex(128)
    parent = _TRACEPARENT.fullmatch(headers.get("traceparent", ""))
    trace_id, flags = (parent[1], parent[3]) if parent else (_random_hex(128), "01")
    trace = Trace(request_id, trace_id, f"00-{trace_id}-{_random_hex(64)}-{flags}")
    _current.set(trace)
    return trace


def _random_hex(bits: int) -> str:
    # Nobody gains by guessing these, and asking the kernel each time costs more than all the rest.
    # Python seeds it anew in a forked process.
    return f"{random.getrandbits(bits):0{bits // 4}x}"


def current() -> Trace | None:
    """Return the trace of the request at hand, if there is one."""
    return _current.get()


def outgoing_headers() -> dict[str, str]:
    """Return the headers that tie a call to the request at hand."""
    trace = _current.get()
    if trace is None:
        return {}
    return {REQUEST_ID_HEADER: trace.request_id, "traceparent": trace.traceparent}
