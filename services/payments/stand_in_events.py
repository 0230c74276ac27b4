"""Send the stand-in provider's events to the webhook, signed as a real provider's are.

They go over HTTP like everybody else's, on a thread of their own: a provider reports when it
likes, perhaps before its answer to the call is on disk here.
"""

import json
import logging
import threading
from typing import Final

import requests
from requests.adapters import BaseAdapter

from chassis.clock import Clock
from chassis.errors import ServiceError
from chassis.outbound.transport import exchange, open_transport

from .provider import Operation
from .signatures import SIGNATURE_HEADER, sign

TYPES: Final = {
    "authorise": "payment.authorised",
    "capture": "payment.captured",
    "refund": "payment.refunded",
    "void": "payment.failed",
}
TIMEOUTS_SECONDS: Final = (0.25, 2.0)
"""Until the connection stands, and from there to the end of the answer."""

logger = logging.getLogger(__name__)


class EventSender:
    """Report what was recorded to one address; what does not arrive is not sent again."""

    def __init__(
        self, url: str, secret: str, clock: Clock, transport: BaseAdapter | None = None
    ) -> None:
        """Open no connection yet; a ``transport`` takes the place of the network in tests."""
        self._url = url
        self._secret = secret
        self._clock = clock
        self._transport = transport or open_transport(1)

    def send_twice(self, operation: Operation) -> threading.Thread:
        """Report an operation, and once more under the same id; return the thread that does so."""
        thread = threading.Thread(target=self._send_twice, args=(operation,), daemon=True)
        thread.start()
        return thread

    def _send_twice(self, operation: Operation) -> None:
        body = json.dumps(
            {
                "id": f"evt_{operation.id}",
                "type": TYPES[operation.kind],
                "payment_id": operation.payment_id,
                "amount_minor": operation.amount.amount_minor,
                "currency": operation.amount.currency,
            }
        ).encode()
        for _ in range(2):
            self._send(body)

    def _send(self, body: bytes) -> None:
        signature = sign(body, self._secret, int(self._clock.now().timestamp()))
        headers = {"Content-Type": "application/json", SIGNATURE_HEADER: signature}
        request = requests.Request("POST", self._url, headers=headers, data=body)
        try:
            answer = exchange(self._transport, request.prepare(), TIMEOUTS_SECONDS)
        except ServiceError as error:
            logger.warning("the stand-in's event was not delivered: %r", error)
        else:
            logger.info("the stand-in's event was answered with %s", answer.status_code)
