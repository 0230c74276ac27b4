"""Keep the token with which this service identifies itself to others.

Pattern: Client credentials grant (RFC 6749, section 4.4); Access token (Richardson, Microservices
Patterns, 11.1.2).  The secret is read for each fetch, so that a new one needs no restart.
"""

import logging
import threading
from collections.abc import Callable

from chassis.clock import Clock, SystemClock
from chassis.errors import BadUpstream, ServiceError, Unavailable
from chassis.outbound.client import ServiceClient

# How long a thread without a token waits for another one's fetch, which takes no longer either.
WAIT_SECONDS = 1.25
# A token that is refused so soon after its issue would not be better the next time.
YOUNG_SECONDS = 5.0

logger = logging.getLogger(__name__)


class ServiceTokens:
    """Fetch a token when there is none that lasts; one thread fetches, the others wait for it."""

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
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._token = ""
        self._fetched_at = self._renew_at = self._expires_at = float("-inf")

    def bearer(self) -> str:
        """Return the cached token, renewed shortly before it expires.

        Raises:
            Unavailable: when it has expired and no other can be had.
        """
        now = self._clock.monotonic()
        # While the old token lasts, one thread renews it and the others go on with it.
        wait_seconds = WAIT_SECONDS if now >= self._expires_at else 0
        if now >= self._renew_at and self._lock.acquire(timeout=wait_seconds):
            self._renew()
        if self._clock.monotonic() >= self._expires_at:
            raise Unavailable("This service can't identify itself to others now.")
        return self._token

    def reject(self, token: str) -> bool:
        """Drop the token unless it is new; True when it is dropped, or has been replaced."""
        if token != self._token:
            return True
        if self._clock.monotonic() - self._fetched_at < YOUNG_SECONDS:
            return False
        self._renew_at = self._expires_at = float("-inf")
        return True

    def _renew(self) -> None:
        try:
            if self._clock.monotonic() >= self._renew_at:
                self._fetch()
        except ServiceError as error:
            logger.warning("no token from the issuer: %s", error)
        finally:
            self._lock.release()

    def _fetch(self) -> None:
        credentials = {"client_id": self._client_id, "client_secret": self._secret_reader()}
        answer = self._client.post("/internal/tokens", json=credentials)
        token, seconds = answer.body.get("access_token"), answer.body.get("expires_in")
        if answer.status != 200 or not isinstance(token, str) or not isinstance(seconds, int):
            raise BadUpstream(f"The issuer answered {answer.status}.")
        self._token = token
        self._fetched_at = self._clock.monotonic()
        self._expires_at = self._fetched_at + seconds
        # Early enough for the token to last through the call that it is fetched for.
        self._renew_at = self._expires_at - min(30.0, seconds / 5)
