"""Declare the settings of the orders service."""

from dataclasses import dataclass

from chassis.config import Secret, ServiceConfig, positive, seconds, setting
from contracts.topology import default_url
from messaging.transports import base_address
from storage.database import database_address
from storage.database import default_url as default_database_url


@dataclass(frozen=True, kw_only=True)
class Config(ServiceConfig):
    """Hold where the neighbours are and how patient the service is."""

    service = "orders"

    database_url: Secret = setting(
        "ORDERS_DATABASE_URL",
        default=default_database_url("orders"),
        parse=database_address,
        doc="database of carts and orders",
    )
    auth_url: str = setting(
        "AUTH_URL", default=default_url("auth"), doc="where tokens and the key set come from"
    )
    products_url: str = setting(
        "PRODUCTS_URL", default=default_url("products"), doc="where stock is reserved"
    )
    payments_url: str = setting(
        "PAYMENTS_URL", default=default_url("payments"), doc="where money is taken"
    )
    notifications_url: str = setting(
        "NOTIFICATIONS_URL",
        default=default_url("notifications"),
        parse=base_address,
        doc="base address of who is told of orders, where there is no broker",
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
    own_url: str = setting(
        "ORDERS_URL", default=default_url("orders"), doc="where the command line finds the service"
    )
    reconcile_seconds: float = setting(
        "RECONCILE_SECONDS",
        default=5.0,
        parse=positive,
        doc="pause between looks for orders that stopped half-way",
    )
    idempotency_seconds: float = setting(
        "IDEMPOTENCY_SECONDS",
        default=86400.0,
        parse=positive,
        doc="how long an answer is remembered under its idempotency key",
    )
