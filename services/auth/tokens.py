"""Sign access tokens.

Sources: RFC 9068 (JWT profile for access tokens), RFC 6750 (bearer tokens).  A token names its
subject by id only: nothing in it is worth reading by whoever finds it in a log.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import jwt

from chassis.clock import Clock
from chassis.renewal import Renewed

from .domain import CLIENT_SCOPES
from .keys import KeyRing

TOKEN_TYPE = "Bearer"  # noqa: S105 - the name of a scheme, no secret.


@dataclass(frozen=True)
class AccessToken:
    """Hold a token as a client gets it; ``expires_in`` is in seconds.

    A person also gets the token for the next one, and at a log-in the one of their device.
    """

    access_token: str
    expires_in: int
    token_type: str = TOKEN_TYPE
    refresh_token: str | None = None
    device: str | None = None


class TokenIssuer:
    """Sign tokens with the newest key of a ring."""

    def __init__(
        self, key_ring: KeyRing, clock: Clock, *, issuer: str, audience: str, life_seconds: int
    ) -> None:
        """Set what all tokens have in common."""
        self._key_ring = key_ring
        self._clock = clock
        self._issuer = issuer
        self._audience = audience
        self._life_seconds = life_seconds

    @property
    def life(self) -> timedelta:
        """Return how long a token is good."""
        return timedelta(seconds=self._life_seconds)

    def issue(
        self,
        subject: str,
        *,
        roles: Iterable[str] = (),
        session_id: str | None = None,
        scopes: Iterable[str] | None = None,
    ) -> AccessToken:
        """Return a token for a person in a session, or for a service when there are ``scopes``."""
        # Whole seconds: RFC 7519 allows fractions, but our verifiers take no floats for times.
        now = int(self._clock.now().timestamp())
        claims: dict[str, object] = {
            "iss": self._issuer,
            "aud": self._audience,
            "exp": now + self._life_seconds,
            "iat": now,
            "jti": uuid.uuid4().hex,
            "sub": subject,
            "roles": sorted(roles),
        }
        if session_id is not None:
            claims["sid"] = session_id
        if scopes is not None:
            claims["scope"] = " ".join(scopes)
        key = self._key_ring.signing_key
        header = {"typ": "at+jwt", "kid": key.key_id}
        token = jwt.encode(claims, key.private_key, algorithm="EdDSA", headers=header)
        return AccessToken(token, self._life_seconds)


def own_tokens(issuer: TokenIssuer, client_id: str, clock: Clock) -> Renewed[str]:
    """Return the source of the tokens with which this service identifies itself to others."""

    def fetch() -> tuple[str, float, float]:
        token = issuer.issue(f"service:{client_id}", scopes=CLIENT_SCOPES[client_id])
        seconds = token.expires_in
        # As others that fetch theirs, early enough to last through the call.
        return token.access_token, seconds - min(30.0, seconds / 5), seconds

    return Renewed("service-token", fetch, clock, without="There is no signing key yet.")
