"""Declare the settings of the accounts service."""

from dataclasses import dataclass

from chassis.config import Secret, ServiceConfig, seconds, setting
from contracts.topology import default_url
from messaging.transports import base_address
from storage.database import database_address
from storage.database import default_url as default_database_url


@dataclass(frozen=True, kw_only=True)
class Config(ServiceConfig):
    """Hold where the profiles are, who signs people in, and who is told of new ones."""

    service = "accounts"

    database_url: Secret = setting(
        "ACCOUNTS_DATABASE_URL",
        default=default_database_url("accounts"),
        parse=database_address,
        doc="database of profiles; production does not start without it",
    )
    auth_url: str = setting(
        "AUTH_URL", default=default_url("auth"), doc="where people are erased, and tokens come from"
    )
    notifications_url: str = setting(
        "NOTIFICATIONS_URL",
        default=default_url("notifications"),
        parse=base_address,
        doc="base address of who is told of new accounts, where there is no broker",
    )
    celery_broker_url: Secret = setting(
        "CELERY_BROKER_URL",
        default=Secret(""),
        parse=Secret,
        doc="message broker that takes the events instead",
    )
    relay_seconds: float = seconds(
        "RELAY_SECONDS", default=2.0, doc="pause between looks for events that wait"
    )
