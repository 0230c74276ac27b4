"""Verify access tokens and say whom they speak for.

Sources: RFC 7519 (JWT), RFC 8725 (best current practices), RFC 9068 (``at+jwt``), RFC 8037 (EdDSA).
PyJWT checks the signature, audience and issuer; what it lets through is refused before and after:
other ``typ``, missing claims, absurd times, padded or sloppy segments, duplicate members.
"""

import base64
import re
from dataclasses import dataclass
from typing import Any

import jwt

from chassis.clock import Clock
from chassis.errors import Invalid, Malformed, Unauthenticated
from chassis.inbound.bodies import parse_json
from chassis.inbound.keyset import Keys, KeySet

MAX_TOKEN_BYTES = 4096
MAX_LIFE_SECONDS = 86400
# Clocks of two machines differ a little; a token may be this much from the future.
LEEWAY_SECONDS = 2
CACHED_TOKENS = 4096

_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
# The times are checked here, against an injected clock and with their types.
_OPTIONS: Any = {
    "require": ["exp", "iat", "iss", "aud", "sub", "jti"],
    "strict_aud": True,
    **dict.fromkeys(("verify_exp", "verify_iat", "verify_nbf"), False),
}


@dataclass(frozen=True, slots=True)
class Principal:
    """Name who calls and what they may do, as a verified token says."""

    subject: str
    roles: frozenset[str]
    scopes: frozenset[str]
    token_id: str
    expires_at: int
    key_id: str
    session_id: str

    @property
    def is_service(self) -> bool:
        """Tell a service from a person."""
        return self.subject.startswith("service:")


class TokenVerifier:
    """Verify tokens against a key set, remembering the ones that were good."""

    def __init__(self, key_set: KeySet, *, issuer: str, audience: str, clock: Clock) -> None:
        """Trust the keys of ``key_set`` for tokens of ``issuer`` made for ``audience``."""
        self._key_set = key_set
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._verified: dict[str, Principal] = {}

    def verify(self, token: str) -> Principal:
        """Return the principal of a token.

        Raises:
            Unauthenticated: the token can't be used; nothing says why.
            Unavailable: there is no trusted key set to check it with.
        """
        keys = self._key_set.keys()
        principal = self._verified.get(token)
        if principal is None or principal.key_id not in keys:
            principal = self._check(token, keys)
            if len(self._verified) >= CACHED_TOKENS:
                self._verified.clear()
            self._verified[token] = principal
        if principal.expires_at <= self._clock.now().timestamp():
            self._verified.pop(token, None)
            raise Unauthenticated
        # Last, so that no bad token has anything fetched.
        if principal.session_id and self._key_set.is_revoked(principal.session_id):
            raise Unauthenticated
        return principal

    def _check(self, token: str, keys: Keys) -> Principal:
        if len(token) > MAX_TOKEN_BYTES or not _SHAPE.fullmatch(token):
            raise Unauthenticated
        try:
            header, claims, _ = (_decode_segment(segment) for segment in token.split("."))
            key_id = _key_id(parse_json(header))
            parse_json(claims)  # PyJWT would accept duplicate members.
            decoded = jwt.decode(
                token,
                keys[key_id],
                ["EdDSA"],
                _OPTIONS,
                audience=self._audience,
                issuer=self._issuer,
            )
        except (jwt.InvalidTokenError, Malformed, Invalid, ValueError, KeyError):
            raise Unauthenticated from None
        _check_times(decoded, self._clock.now().timestamp())
        return _principal(decoded, key_id)


def _decode_segment(segment: str) -> bytes:
    raw = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    # Two spellings of one signature would be two tokens to a deny-list or a cache.
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != segment:
        raise Unauthenticated
    return raw


def _key_id(header: Any) -> str:
    if not isinstance(header, dict) or set(header) != {"alg", "typ", "kid"}:
        raise Unauthenticated
    if header["alg"] != "EdDSA" or header["typ"] != "at+jwt" or not isinstance(header["kid"], str):
        raise Unauthenticated
    return header["kid"]


def _check_times(claims: dict[str, Any], now: float) -> None:
    issued, expires = claims["iat"], claims["exp"]
    starts = claims.get("nbf", issued)
    # ``type`` and not ``isinstance``: a bool is an int to Python.
    if any(type(moment) is not int for moment in (issued, expires, starts)):
        raise Unauthenticated
    if not 0 < expires - issued <= MAX_LIFE_SECONDS or expires <= now:
        raise Unauthenticated
    if max(issued, starts) > now + LEEWAY_SECONDS:
        raise Unauthenticated


def _principal(claims: dict[str, Any], key_id: str) -> Principal:
    roles, scope = claims.get("roles", []), claims.get("scope", "")
    session = claims.get("sid", "")
    texts = [claims["sub"], claims["jti"], scope, session]
    texts += roles if isinstance(roles, list) else [None]
    if not all(isinstance(text, str) for text in texts) or not claims["sub"] or not claims["jti"]:
        raise Unauthenticated
    granted = frozenset(roles), frozenset(scope.split())
    return Principal(claims["sub"], *granted, claims["jti"], claims["exp"], key_id, session)
