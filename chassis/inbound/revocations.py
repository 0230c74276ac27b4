"""Know whose access has ended before their tokens expire.

Pattern: Certificate revocation list (RFC 5280, section 3.3), for sessions.  The issuer publishes
ids of sessions that lost their access; a token names its session as ``sid``.  Only a token that is
good otherwise has the list renewed, and while the issuer is away the last one is used.
"""

from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

from chassis.clock import Clock, SystemClock
from chassis.config import ServiceConfig
from chassis.errors import Unavailable
from chassis.renewal import Renewed

REVOCATIONS_PATH = "/internal/revocations"


class Revocations:
    """Hold the ids of revoked sessions; shared by all threads.

    The list is renewed in the background when it is as old as ``REVOCATION_SECONDS``.  Whoever
    comes first when it is twice as old waits for it, as long as the client of the issuer does.
    """

    def __init__(
        self,
        fetch: Callable[[str], dict[str, Any]],
        config: ServiceConfig,
        clock: Clock | None = None,
        hear_of_keys: Callable[[Collection[str]], object] = lambda _ids: None,
    ) -> None:
        """Take the ``fetch`` that returns a JSON document of the issuer or raises.

        ``hear_of_keys`` gets the ids of the keys that the issuer publishes at that moment.
        """
        self._fetch = fetch
        self._hear_of_keys = hear_of_keys
        self._clock = clock or SystemClock()
        self._forgotten_at: dict[str, float] = {}
        self._path = REVOCATIONS_PATH
        seconds = config.revocation_seconds

        def renew() -> tuple[None, float, float]:
            self._take(self._fetch(self._path))
            return None, seconds, float("inf")

        self._list = Renewed("revocations", renew, clock, without="", overdue_seconds=seconds)

    def __contains__(self, session_id: str) -> bool:
        """Tell whether a session has lost its access."""
        with suppress(Unavailable):
            self._list.get()
        return session_id in self._forgotten_at

    def _take(self, document: dict[str, Any]) -> None:
        now = self._clock.monotonic()
        kept = {name: moment for name, moment in self._forgotten_at.items() if moment > now}
        # By then the tokens have expired.
        gone = now + document["seconds"]
        self._forgotten_at = kept | dict.fromkeys(document["revoked"], gone)
        self._hear_of_keys(document["keys"])
        # The issuer's own time, so that no clock of another machine counts.
        self._path = f"{REVOCATIONS_PATH}?since={int(document['now'])}"
