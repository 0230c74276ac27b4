"""Ask a service behind the gateway, with a circuit breaker, a bulkhead and a deadline around it.

The same rules as :class:`chassis.outbound.client.ServiceClient`, around a leaner client, and with
answers passed through as they are.
"""

import json
import time
from dataclasses import dataclass
from typing import Any, Final

from chassis.clock import Clock
from chassis.errors import BadUpstream, DeadlineExceeded, ServiceError
from chassis.inbound.problems import MEDIA_TYPE
from chassis.outbound import deadline
from chassis.outbound.breaker import BreakerPolicy, CircuitBreakerGuard, Outcome
from chassis.outbound.bulkhead import Bulkhead
from chassis.outbound.deadline import Deadline
from chassis.outbound.retry import RetryBudget, RetryPolicy
from gateway.headers import Headers
from gateway.routes import NORMAL, Timeouts
from gateway.wire import Connections, Reply

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
        self.breaker = CircuitBreakerGuard(name, policy, clock=clock)
        self.bulkhead = Bulkhead(name, max_concurrent)
        self._clock = clock
        self._connections = Connections(base_url)
        self._retry = RetryPolicy()
        self._budget = RetryBudget(clock=clock)

    def ask(self, call: Call) -> Reply:
        """Return the service's answer, after at most one retry of what is safe to repeat.

        Raises:
            Unavailable: no connection, a lost one, an open breaker or a full bulkhead.
            DeadlineExceeded: no answer in time.
            BadUpstream: an answer that can't be passed on.
        """
        total = min(call.timeouts.total_seconds, call.seconds or float("inf"))
        ends = Deadline.after(total, self._clock)
        self._budget.record_call()
        try:
            return self._attempt(call, ends)
        except ServiceError as failure:
            has_key = any(name == "Idempotency-Key" for name, _ in call.headers)
            may = self._retry.allows(failure, call.method, has_key=has_key)
            pause = self._retry.pause_seconds()
            if not may or pause >= ends.remaining() or not self._budget.withdraw():
                raise
        time.sleep(pause)
        return self._attempt(call, ends)

    def fetch_json(self, path: str) -> dict[str, Any]:
        """Return a JSON object of the service, for the gateway itself.

        Raises:
            ServiceError: as :meth:`ask`, and when there is no such object.
        """
        reply = self.ask(Call("GET", path, []))
        document = json.loads(reply.body) if reply.status == 200 else None
        if not isinstance(document, dict):
            raise BadUpstream
        return document

    def _attempt(self, call: Call, ends: Deadline) -> Reply:
        patience, slow_seconds = ends.clamp(call.timeouts.read_seconds), call.timeouts.slow_seconds
        request = call.encode(self._connections.host, ends)
        with self.bulkhead, self.breaker.acquire() as permit:
            started = time.monotonic()
            try:
                over = started + ends.remaining()
                reply = self._connections.exchange(call.method, request, patience, over)
                _check(reply)
            except ServiceError as error:
                # A client in a hurry proves nothing about the service, and must not be able to
                # open the breaker for everybody else.
                if not isinstance(error, DeadlineExceeded) or patience >= slow_seconds:
                    permit.outcome = Outcome.FAILED
                raise
            if reply.status >= 400:
                permit.outcome = Outcome.NEUTRAL
            else:
                slow = time.monotonic() - started >= slow_seconds
                permit.outcome = Outcome.SLOW if slow else Outcome.SUCCEEDED
            return reply


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
