"""Name what can go wrong when somebody registers, signs in or leaves."""

import math

from chassis.errors import Conflict, NotFound, TooManyRequests, Unauthenticated, Unavailable


class InvalidCredentials(Unauthenticated):
    """Refuse a pair of user name and password, without saying which of them is wrong."""

    code = "invalid_credentials"
    title = "Invalid username or password"


class SessionOver(Unauthenticated):
    """Refuse a refresh token, without saying whether it was ever good."""

    code = "session_over"
    title = "The session is over"


class InvalidClient(Unauthenticated):
    """Refuse a service that is unknown or gave the wrong secret, without saying which."""

    code = "invalid_client"
    title = "Unknown client or wrong secret"


class HasherBusy(Unavailable):
    """Ask to come back when fewer passwords are being checked."""

    code = "hasher_busy"
    title = "Too many sign-ins at once"


class TooManyAttempts(TooManyRequests):
    """Ask to come back later, whether or not there is such a user."""

    code = "too_many_attempts"
    title = "Too many attempts"

    def __init__(self, retry_after_seconds: float) -> None:
        """Set ``Retry-After`` to whole seconds, rounded up and at least one."""
        whole = max(1, math.ceil(retry_after_seconds))
        super().__init__("Wait a while.", headers={"Retry-After": str(whole)})


class Taken(Conflict):
    """Refuse a user name or a mail address that somebody has, without saying which of them."""

    code = "taken"
    title = "User name or mail address taken"


class LastOperator(Conflict):
    """Refuse to leave the shop without anybody who may run it."""

    code = "last_operator"
    title = "The last operator stays"


class UserNotFound(NotFound):
    """Report a user who is not there, or no longer."""

    code = "user_not_found"
    title = "User not found"


class UnusableHash(ValueError):
    """Report a stored hash that is not an argon2id one, or is damaged."""
