"""Name what can go wrong when somebody signs in."""

from chassis.errors import Unauthenticated, Unavailable


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


class UnusableHash(ValueError):
    """Report a stored hash that is not an argon2id one, or is damaged."""
