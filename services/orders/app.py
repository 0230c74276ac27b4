"""Compose the orders service."""

from flask import Flask

from chassis.background import Background
from chassis.clock import Clock, SystemClock
from chassis.inbound.api import Api
from chassis.inbound.app import create_flask
from messaging.outbox import Relay
from storage.database import Database
from storage.schema import Schema

from . import reconciler, routes
from .clients import Clients, connect
from .config import Config
from .events import Publisher
from .models import Base, OutboxEvent
from .service import Shop


def create_app(
    config: Config | None = None, *, clients: Clients | None = None, clock: Clock | None = None
) -> Flask:
    """Return the application; what is not passed in comes from the environment."""
    config = config or Config.from_environ()
    clients = clients or connect(config)
    clock = clock or SystemClock()
    app = create_flask(__name__, config, key_set=clients.key_set, clock=clock)
    database = Database(config.database_url, durable=True)
    Schema(app, database, Base.metadata)
    relay = Relay(database, OutboxEvent, clients.subscriber, clock)
    relaying = Background("the relay", relay.turn, config.relay_seconds)
    shop = Shop(database, clients, clock, Publisher(relaying.wake))
    reconciling = Background(
        "the reconciler",
        lambda: reconciler.tidy(shop, config.idempotency_seconds),
        config.reconcile_seconds,
    )
    app.extensions.update(shop=shop, background=[relaying, reconciling])
    api = Api(app, title="Orders")
    api.register_blueprint(routes.bp)
    api.register_blueprint(routes.operations_bp)
    return app
