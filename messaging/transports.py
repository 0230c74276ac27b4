"""Take events to a subscriber, for the relay of :mod:`messaging.outbox`.

That is over HTTP, or by a message broker (:mod:`messaging.celery_transport`).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from requests.adapters import BaseAdapter

from chassis.clock import Clock
from chassis.errors import BadUpstream, EventRefused, Unavailable
from chassis.outbound.breaker import BreakerPolicy, CircuitBreakerGuard
from chassis.outbound.client import ServiceClient
from chassis.renewal import Renewed

if TYPE_CHECKING:
    from messaging.celery_transport import CeleryTransport

PATH = "/internal/events"
# A relay tries a subscriber that is back within seconds, and so does no harm: it is one caller.
BREAKER = BreakerPolicy(open_seconds=1.0, max_open_seconds=4.0)

# These are about the two services (no token, wrong address, too fast), and not about the event.
_NOT_ITS_FAULT = {401, 403, 404, 429}
# These may go otherwise the next time.
_UNDECIDED = {408, 409}


def base_address(text: str) -> str:
    """Read the address of a subscriber, under which the path of events goes, for a setting.

    Raises:
        ValueError: it is none, or has a path of its own.
    """
    url = urlsplit(text)
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise ValueError("expected an address like http://host:port")
    if url.path.strip("/") or url.query or url.fragment:
        raise ValueError(f"expected an address without a path; {PATH} is added to it")
    return text


def find_way(
    name: str,
    url: str,
    broker_url: str,
    *,
    tokens: Renewed[str] | None = None,
    clock: Clock | None = None,
    transport: BaseAdapter | None = None,
) -> "tuple[HTTPTransport | CeleryTransport, dict[str, CircuitBreakerGuard]]":
    """Return the way to a subscriber, with its breaker by the name that operators know.

    Args:
        name: the subscriber and, where there is a broker, its queue.
        url: its base address.
        broker_url: the broker, which comes before the address.
        tokens: with which this service identifies itself; with the rest as a client takes it.
        clock: the time.
        transport: takes the place of the network in tests.
    """
    if broker_url:
        # Celery takes memory that a shop without a broker can do without.
        from messaging.celery_transport import CeleryTransport  # noqa: PLC0415

        breaker = CircuitBreakerGuard("broker", BREAKER, clock=clock)
        return CeleryTransport(broker_url, name, breaker), {"broker": breaker}
    client = ServiceClient(
        name, url, clock=clock, policy=BREAKER, tokens=tokens, transport=transport
    )
    return HTTPTransport(client), {name: client.caller.breaker}


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
