"""Speak HTTP to the real gateway word for word, as whoever finds the shop on the net may do."""

import http.client
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from services.payments.signatures import SIGNATURE_HEADER
from tests.security.world import OTHER_VALUES, filled, signature


@dataclass(frozen=True)
class Reply:
    status: int
    headers: http.client.HTTPMessage
    text: bytes

    @property
    def code(self) -> tuple[int, str]:
        return self.status, json.loads(self.text)["code"]

    @property
    def said(self) -> tuple[Any, ...]:
        document = json.loads(self.text)
        document.pop("request_id")
        kept = [pair for pair in self.headers.items() if pair[0] not in {"Date", "X-Request-Id"}]
        return self.status, str(document), *kept


class Line:
    """Speak HTTP to the gateway word for word, over one connection."""

    def __init__(self, address: str) -> None:
        self.host = address.removeprefix("http://")
        self.connection = http.client.HTTPConnection(self.host, timeout=10)

    def send(
        self, method: str, path: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
    ) -> Reply:
        self.connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers:
            self.connection.putheader(name, value)
        if body or method in {"POST", "PUT", "PATCH"}:
            self.connection.putheader("Content-Length", str(len(body)))
        self.connection.endheaders(body)
        answer = self.connection.getresponse()
        return Reply(answer.status, answer.headers, answer.read())

    def call(self, operation, headers, *, kind="application/json") -> Reply:
        """Call an operation with its good request, about nothing that exists."""
        body = json.dumps(filled(operation.body, OTHER_VALUES) or {}).encode()
        sent = {"Content-Type": kind, "Idempotency-Key": "edge", **headers}
        sent.setdefault(SIGNATURE_HEADER, signature(body))
        path = filled(operation.path, OTHER_VALUES)
        query = f"?{filled(operation.query, OTHER_VALUES)}" if operation.query else ""
        return self.send(
            operation.method, path + query, sent.items(), body if operation.unsafe else b""
        )
