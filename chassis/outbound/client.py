"""Call another service over HTTP, with all the care of :mod:`chassis.outbound.caller`.

A call ends in one of three ways: an :class:`Answer` (2xx, 3xx, 4xx), an error that says whether
the neighbour was out of reach (``Unavailable``), late (``DeadlineExceeded``) or talking rubbish
(``BadUpstream``), or a refusal without a call (``CircuitOpen``, ``BulkheadFull``).

Redirects are returned, not followed, and cookies are dropped.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from requests import PreparedRequest, Request, Response
from requests.adapters import BaseAdapter

from chassis import tracing
from chassis.clock import Clock
from chassis.errors import BadUpstream, DeadlineExceeded, Unavailable
from chassis.outbound import deadline
from chassis.outbound.breaker import BreakerPolicy
from chassis.outbound.caller import Caller, Timeouts
from chassis.outbound.transport import exchange, open_transport
from chassis.renewal import Renewed

_PATH = re.compile(r"(/(?!/)[\w.~!$&'()*+,;=:@%/-]*)(\?[\w.~!$&'()*+,;=:@%/?-]*)?", re.ASCII)
FIXED_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Answer:
    """Hold what a neighbour said; ``body`` is empty for 204 and for a 4xx without JSON."""

    status: int
    body: dict[str, Any]
    headers: Mapping[str, str]


class ServiceClient:
    """Call one service; share one client among all threads."""

    def __init__(  # noqa: PLR0913 - each part has a default, and a test may replace any.
        self,
        name: str,
        base_url: str,
        *,
        clock: Clock | None = None,
        policy: BreakerPolicy | None = None,
        max_concurrent: int = 32,
        tokens: Renewed[str] | None = None,
        connect_timeout: float = 0.25,
        read_timeout: float = 1.0,
        transport: BaseAdapter | None = None,
    ) -> None:
        """Open no connection yet.

        Args:
            name: the service, as breaker, log and problem documents call it.
            base_url: scheme, host, and perhaps a path that all others go under.
            clock: the time, except for the waiting of sockets.
            policy: when the breaker opens.
            max_concurrent: calls at once.  Below the number of threads it sheds load, and keeps
                the other threads free of this neighbour.
            tokens: with which this service identifies itself; without them calls are anonymous.
            connect_timeout: seconds until the connection stands.
            read_timeout: seconds from there until the answer is complete; half of it counts as
                slow.
            transport: takes the place of the network in tests.
        """
        self.caller = Caller(name, policy, max_concurrent=max_concurrent, clock=clock)
        self._base_url = base_url.rstrip("/")
        self._clock = clock
        self._tokens = tokens
        self._connect_timeout = connect_timeout
        self._times = Timeouts(read_timeout, connect_timeout + read_timeout, read_timeout / 2)
        self._transport = transport or open_transport(max_concurrent)

    def get(self, path: str) -> Answer:
        """Fetch something; see :meth:`request`."""
        return self.request("GET", path)

    def post(self, path: str, *, json: Any = None, idempotency_key: str = "") -> Answer:
        """Have something done; see :meth:`request`."""
        return self.request("POST", path, json=json, idempotency_key=idempotency_key)

    def request(
        self, method: str, path: str, *, json: Any = None, idempotency_key: str = ""
    ) -> Answer:
        """Make one call, and at most one retry of what is safe to repeat.

        Args:
            method: the HTTP method.
            path: begins with one slash, has no dot segments, and may end in a query; both are
                percent-encoded.
            json: the body.
            idempotency_key: lets the callee recognise a repetition.

        Raises:
            Unavailable: no connection, a lost one, 503, an open breaker or a full bulkhead.
            DeadlineExceeded: too late, or 504.
            BadUpstream: another 5xx, or an answer that is no JSON object.
            ValueError: when the path would leave the base address.
        """
        parts = _PATH.fullmatch(path)
        if not parts or {".", ".."} & set(unquote(parts[1]).split("/")):
            raise ValueError(f"{path!r} is no plain path below the base address")
        headers = {**FIXED_HEADERS, **tracing.outgoing_headers()}
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        prepared = Request(method, self._base_url + path, headers=headers, json=json).prepare()
        if self._tokens is None:
            return self._call(prepared)
        return self._call_identified(prepared, self._tokens)

    def close(self) -> None:
        """Close the kept connections."""
        self._transport.close()

    def _call_identified(self, request: PreparedRequest, tokens: Renewed[str]) -> Answer:
        token = tokens.get()
        request.headers["Authorization"] = f"Bearer {token}"
        answer = self._call(request)
        if answer.status == 401 and tokens.reject(token):
            # The issuer may have new keys; the callee has done nothing yet, whatever the method.
            request.headers["Authorization"] = f"Bearer {tokens.get()}"
            answer = self._call(request)
        return answer

    def _call(self, request: PreparedRequest) -> Answer:
        ends = deadline.within(self._times.total_seconds, self._clock)

        def send(patience: float) -> Answer:
            request.headers[deadline.HEADER] = ends.header_value()
            timeout = (min(self._connect_timeout, patience), patience)
            return _read(exchange(self._transport, request, timeout))

        method, has_key = request.method or "", "Idempotency-Key" in request.headers
        return self.caller.call(send, ends, self._times, method=method, has_key=has_key)


def _read(response: Response) -> Answer:
    """Return the answer, or raise what a 5xx or a strange body means."""
    status = response.status_code
    if status == 503:
        after = re.fullmatch("[0-9]{1,4}", response.headers.get("Retry-After", ""))
        raise Unavailable(retry_after_seconds=int(after[0]) if after else 1)
    if status == 504:
        raise DeadlineExceeded
    if status >= 500:
        raise BadUpstream
    body = _json_object(response)
    # Of a 4xx, the status says enough, and says that the callee works.
    if body is None and status < 400:
        raise BadUpstream
    return Answer(status, body or {}, response.headers)


def _json_object(response: Response) -> dict[str, Any] | None:
    if response.status_code == 204:
        return {}
    try:
        value = json.loads(response.content)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
