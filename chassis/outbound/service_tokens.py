"""Keep the token with which this service identifies itself to others.

Pattern: Client credentials grant (RFC 6749, section 4.4); Access token (Richardson, Microservices
Patterns, 11.1.2).  The secret is read for each fetch, so that a new one needs no restart.
"""

from collections.abc import Callable

from chassis.clock import Clock
from chassis.errors import BadUpstream
from chassis.outbound.client import ServiceClient
from chassis.renewal import Renewed

# A token that is refused so soon after its issue would not be better the next time.
YOUNG_SECONDS = 5.0


class ServiceTokens:
    """Fetch a token when there is none that lasts."""

    def __init__(
        self,
        client: ServiceClient,
        client_id: str,
        secret_reader: Callable[[], str],
        clock: Clock | None = None,
    ) -> None:
        """Fetch nothing yet; ``client`` reaches the issuer and needs no tokens itself."""
        self._client = client
        self._client_id = client_id
        self._secret_reader = secret_reader
        without = "This service can't identify itself to others now."
        self._token = Renewed("service-token", self._fetch, clock, without=without)

    def bearer(self) -> str:
        """Return the cached token, renewed shortly before it expires.

        Raises:
            Unavailable: when it has expired and no other can be had.
        """
        return self._token.get()

    def reject(self, token: str) -> bool:
        """Drop the token unless it is new; True when it is dropped, or has been replaced."""
        return self._token.reject(token, YOUNG_SECONDS)

    def _fetch(self) -> tuple[str, float, float]:
        credentials = {"client_id": self._client_id, "client_secret": self._secret_reader()}
        answer = self._client.post("/internal/tokens", json=credentials)
        token, seconds = answer.body.get("access_token"), answer.body.get("expires_in")
        if answer.status != 200 or not isinstance(token, str) or not isinstance(seconds, int):
            raise BadUpstream(f"The issuer answered {answer.status}.")
        # Early enough for the token to last through the call that it is fetched for.
        return token, seconds - min(30.0, seconds / 5), seconds
