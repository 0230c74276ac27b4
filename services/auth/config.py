"""Declare the settings of the auth service."""

from dataclasses import dataclass
from pathlib import Path

from chassis.config import Environ, Secret, ServiceConfig, seconds, setting
from chassis.inbound.tokens import MAX_LIFE_SECONDS
from contracts.topology import default_url as default_service_url
from storage.database import database_address, default_url

USERS_FILE = Path("users.json")
NO_USERS_FILE = "none"


def users_file(text: str) -> Path | None:
    """Read the path of the users file; the word ``none`` stands for no file."""
    return None if text == NO_USERS_FILE else Path(text)


def _default_users_file(_environ: Environ) -> Path | None:
    return USERS_FILE if USERS_FILE.exists() else None


def token_life(text: str) -> int:
    """Read a number of whole seconds that verifiers accept as the life of a token.

    Raises:
        ValueError: when it is none.
    """
    life = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= life <= MAX_LIFE_SECONDS:
        raise ValueError(f"expected a whole number from 1 to {MAX_LIFE_SECONDS}")
    return life


@dataclass(frozen=True, kw_only=True)
class Config(ServiceConfig):
    """Hold where users are kept, who they are at first, and how long a token lasts."""

    service = "auth"

    database_url: Secret = setting(
        "AUTH_DATABASE_URL",
        default=default_url("auth"),
        parse=database_address,
        doc="database of users and signing keys",
    )
    users_file: Path | None = setting(
        "AUTH_USERS_FILE",
        default=_default_users_file,
        parse=users_file,
        doc="users of the first start; `none`: start without any",
    )
    # Ten minutes bound what a stolen token is worth, since no service asks back about one.
    access_token_seconds: int = setting(
        "ACCESS_TOKEN_SECONDS",
        default=600,
        parse=token_life,
        doc="life of an access token and of its cookie, at most a day",
    )
    # Nobody notices a rotation, and it bounds what a stolen key is worth.
    key_rotation_seconds: float = seconds(
        "KEY_ROTATION_SECONDS",
        default=30 * 86400,
        doc="age of the newest signing key at which the next one is made",
    )
    refresh_token_seconds: float = seconds(
        "REFRESH_TOKEN_SECONDS",
        default=14 * 86400,
        doc="how long a session lasts in which nobody refreshes",
    )
    refresh_grace_seconds: float = seconds(
        "REFRESH_GRACE_SECONDS",
        default=10,
        doc="how long a used refresh token is answered once more, since answers get lost",
    )
    accounts_url: str = setting(
        "ACCOUNTS_URL", default=default_service_url("accounts"), doc="who is told of users"
    )
    relay_seconds: float = seconds(
        "RELAY_SECONDS", default=2.0, doc="pause between looks for events that wait"
    )
    login_source_seconds: float = seconds(
        "LOGIN_SOURCE_SECONDS",
        default=60,
        doc="how long a wrong password, or a registration, counts against where it came from",
    )
    login_account_seconds: float = seconds(
        "LOGIN_ACCOUNT_SECONDS",
        default=600,
        doc="how long a wrong password counts against the account",
    )
    login_max_delay_seconds: float = seconds(
        "LOGIN_MAX_DELAY_SECONDS", default=60, doc="longest delay after wrong passwords in a row"
    )
    device_seconds: float = seconds(
        "DEVICE_SECONDS",
        default=180 * 86400,
        doc="how long a browser is known that has signed in",
    )
