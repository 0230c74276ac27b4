"""Compose the payments service."""

from flask import Flask

from chassis.background import Background
from chassis.clock import Clock, SystemClock
from chassis.inbound.api import Api
from chassis.inbound.app import create_flask
from storage.database import Database
from storage.schema import Schema

from . import routes, settling
from .clients import Clients, connect
from .config import Config
from .models import Base
from .service import Till


def create_app(
    config: Config | None = None, *, clients: Clients | None = None, clock: Clock | None = None
) -> Flask:
    """Return the application; what is not passed in comes from the environment."""
    config = config or Config.from_environ()
    clients = clients or connect(config, clock)
    clock = clock or SystemClock()
    app = create_flask(__name__, config, key_set=clients.key_set, clock=clock)
    database = Database(config.database_url, durable=True)
    Schema(app, database, Base.metadata)
    till = Till(
        database, clients.provider, clock, config.idempotency_seconds, config.reconcile_seconds
    )
    chore = Background("the settling", lambda: settling.settle(till), config.reconcile_seconds)
    app.extensions.update(till=till, clients=clients, background=[chore])
    api = Api(app, title="Payments")
    api.register_blueprint(routes.bp)
    return app
