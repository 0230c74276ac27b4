"""Keep the token with which this service identifies itself to others.

Pattern: Client credentials grant (RFC 6749, section 4.4); Access token (Richardson, Microservices
Patterns, 11.1.2).  The secret is read for each fetch, so that a new one needs no restart.
"""

from collections.abc import Callable

from requests.adapters import BaseAdapter

from chassis.clock import Clock
from chassis.errors import BadUpstream
from chassis.outbound.breaker import OFTEN_TRIED
from chassis.outbound.client import ServiceClient
from chassis.renewal import Renewed

# Below what a caller takes for slow.
ISSUER_SECONDS = 0.4


def issuer_client(
    url: str, clock: Clock | None = None, transport: BaseAdapter | None = None
) -> ServiceClient:
    """Return the client for the issuer's keys, revocations and service tokens.

    Requests may wait for these, so it gives up early; and it notices soon when the issuer is back.
    """
    return ServiceClient(
        "auth",
        url,
        clock=clock,
        policy=OFTEN_TRIED,
        transport=transport,
        read_timeout=ISSUER_SECONDS,
    )


def service_tokens(
    issuer: ServiceClient,
    client_id: str,
    secret_reader: Callable[[], str],
    clock: Clock | None = None,
) -> Renewed[str]:
    """Return the source of tokens for ``client_id``; nothing is fetched yet.

    The client that reaches the ``issuer`` needs no tokens itself.
    """

    def fetch() -> tuple[str, float, float]:
        credentials = {"client_id": client_id, "client_secret": secret_reader()}
        answer = issuer.post("/internal/tokens", json=credentials)
        token, seconds = answer.body.get("access_token"), answer.body.get("expires_in")
        if answer.status != 200 or not isinstance(token, str) or not isinstance(seconds, int):
            raise BadUpstream(f"The issuer answered {answer.status}.")
        # Early enough for the token to last through the call that it is fetched for.
        return token, seconds - min(30.0, seconds / 5), seconds

    without = "This service can't identify itself to others now."
    return Renewed("service-token", fetch, clock, without=without)
