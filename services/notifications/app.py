"""Compose the notifications service."""

from flask import Flask

from chassis.background import Background
from chassis.clock import Clock, SystemClock
from chassis.inbound.api import Api
from chassis.inbound.app import create_flask
from messaging import consumer
from storage.schema import Schema

from . import routes
from .clients import Clients, connect
from .config import Config
from .models import Base
from .service import open_post_office


def create_app(
    config: Config | None = None, *, clients: Clients | None = None, clock: Clock | None = None
) -> Flask:
    """Return the application; what is not passed in comes from the environment."""
    config = config or Config.from_environ()
    clients = clients or connect(config, clock)
    clock = clock or SystemClock()
    app = create_flask(__name__, config, key_set=clients.key_set, clock=clock)
    office = open_post_office(config, clients, clock)
    Schema(app, office.database, Base.metadata)
    chore = Background("the relay", office.work, config.relay_seconds)
    office.wake = chore.wake
    app.extensions.update(consumer=office, background=[chore])
    api = Api(app, title="Notifications")
    api.register_blueprint(consumer.bp)
    api.register_blueprint(routes.bp)
    return app
