"""Declare the settings of the greetings service."""

from dataclasses import dataclass

from chassis.config import ServiceConfig, setting
from contracts.topology import default_url


@dataclass(frozen=True, kw_only=True)
class Config(ServiceConfig):
    """Hold who knows the people to greet."""

    service = "greetings"

    auth_url: str = setting(
        "AUTH_URL", default=default_url("auth"), doc="where tokens and the key set come from"
    )
    accounts_url: str = setting(
        "ACCOUNTS_URL", default=default_url("accounts"), doc="where names and languages are known"
    )
