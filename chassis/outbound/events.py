"""Take events to a subscriber over HTTP, for the relay of :mod:`storage.outbox`."""

from collections.abc import Mapping
from typing import Any

from chassis.errors import BadUpstream, EventRefused, Unavailable
from chassis.outbound.breaker import BreakerPolicy
from chassis.outbound.client import ServiceClient

PATH = "/internal/events"
# A relay tries a subscriber that is back within seconds, and so does no harm: it is one caller.
BREAKER = BreakerPolicy(open_seconds=1.0, max_open_seconds=4.0)

# These are about the two services (no token, wrong address, too fast), and not about the event.
_NOT_ITS_FAULT = {401, 403, 404, 429}
# These may go otherwise the next time.
_UNDECIDED = {408, 409}


class HTTPTransport:
    """Post each event to one subscriber."""

    def __init__(self, client: ServiceClient) -> None:
        """Use a client whose base address is the subscriber's."""
        self._client = client

    def deliver(self, envelope: Mapping[str, Any]) -> None:
        """Return once the subscriber has taken the event.

        Raises:
            Unavailable, DeadlineExceeded: nobody took it.
            EventRefused: the subscriber can't read it, or does not know its version.
            BadUpstream: the subscriber failed over it.
        """
        answer = self._client.post(PATH, json=envelope, idempotency_key=envelope["id"])
        if answer.status < 300:
            return
        said = f"The subscriber answered {answer.status} {answer.body.get('code', '')}".rstrip()
        if answer.status in _NOT_ITS_FAULT:
            raise Unavailable(said)
        if answer.status < 400 or answer.status in _UNDECIDED:
            raise BadUpstream(said)
        raise EventRefused(said)
