"""Ask a service behind the gateway, with all the care of :mod:`chassis.outbound.caller`.

Unlike between services, the client is lean, and answers are passed through as they are.
"""

import json
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Final

from chassis.clock import Clock
from chassis.errors import BadUpstream
from chassis.inbound.problems import MEDIA_TYPE
from chassis.outbound import deadline
from chassis.outbound.breaker import BreakerPolicy
from chassis.outbound.caller import Caller, Timeouts
from chassis.outbound.deadline import Deadline
from gateway.headers import Headers
from gateway.routes import IMPATIENT, NORMAL
from gateway.wire import Connections, Reply

# Answers whose latencies are shown.
LATEST: Final = 100
# What a service may say of itself or of its own neighbours, if it explains itself.
_EXPLAINED: Final = frozenset({502, 503, 504})


@dataclass(frozen=True, slots=True)
class Call:
    """Hold what a service is asked; headers that every hop makes anew are left out.

    ``seconds`` is how long the client will wait; it can only shorten the time.
    """

    method: str
    target: str
    headers: Headers
    body: bytes = b""
    timeouts: Timeouts = NORMAL
    seconds: float | None = None

    def encode(self, host: str, ends: Deadline) -> bytes:
        """Return the request as it goes over the wire, with what is left of its time."""
        lines = [f"{self.method} {self.target} HTTP/1.1", f"Host: {host}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        lines.append(f"{deadline.HEADER}: {ends.header_value()}")
        if self.method not in {"GET", "HEAD"}:
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "\r\n"]).encode("latin-1") + self.body


class Upstream:
    """Reach one service; shared by all requests."""

    def __init__(
        self, name: str, base_url: str, policy: BreakerPolicy, max_concurrent: int, clock: Clock
    ) -> None:
        """Open no connection yet."""
        self.caller = Caller(name, policy, max_concurrent=max_concurrent, clock=clock)
        self.latencies: deque[float] = deque(maxlen=LATEST)
        self._clock = clock
        self._connections = Connections(base_url)

    def ask(self, call: Call) -> Reply:
        """Return the service's answer, after at most one retry of what is safe to repeat.

        Raises:
            Unavailable: no connection, a lost one, an open breaker or a full bulkhead.
            DeadlineExceeded: no answer in time.
            BadUpstream: an answer that can't be passed on.
        """
        total = min(call.timeouts.total_seconds, call.seconds or float("inf"))
        ends = Deadline(total, self._clock)

        def send(patience: float) -> Reply:
            request = call.encode(self._connections.host, ends)
            left = ends.remaining()
            asked_at = time.monotonic()
            reply = self._connections.exchange(call.method, request, patience, asked_at + left)
            self.latencies.append(time.monotonic() - asked_at)
            _check(reply)
            return reply

        # A read is repeated without a key, and most requests are reads.
        has_key = call.method != "GET" and "Idempotency-Key" in dict(call.headers)
        return self.caller.call(send, ends, call.timeouts, method=call.method, has_key=has_key)

    def fetch_json(self, path: str) -> dict[str, Any]:
        """Return a JSON object of the service, for the gateway itself.

        Raises:
            ServiceError: as :meth:`ask`, and when there is no such object.
        """
        reply = self.ask(Call("GET", path, [], timeouts=IMPATIENT))
        document = json.loads(reply.body) if reply.status == 200 else None
        if not isinstance(document, dict):
            raise BadUpstream
        return document


def _check(reply: Reply) -> None:
    """Refuse what no service of the shop would say.

    Raises:
        BadUpstream: for an unexplained 5xx, a status out of range, HTML, or JSON cut short.
    """
    fields = {name.lower(): value for name, value in reply.headers}
    media_type = fields.get("content-type", "").partition(";")[0].strip().lower()
    explained = reply.status in _EXPLAINED and media_type == MEDIA_TYPE
    # Reading all of the JSON would cost as much as the rest of the way; the ends tell most.
    ends = reply.body[:1] + reply.body[-8:].rstrip()[-1:]
    cut = media_type.endswith("json") and ends not in {b"", b"{}", b"[]"}
    if cut or media_type == "text/html" or not (200 <= reply.status < 500 or explained):
        raise BadUpstream
