"""Compose the accounts service."""

from flask import Flask

from chassis.background import Background
from chassis.clock import Clock, SystemClock
from chassis.inbound.api import Api
from chassis.inbound.app import create_flask
from messaging import consumer
from messaging.consumer import Consumer
from messaging.outbox import Relay
from storage.database import Database
from storage.schema import Schema

from . import routes
from .clients import Clients, connect
from .config import Config
from .events import Listener, Publisher
from .models import Base, OutboxEvent, SeenEvent
from .service import Directory

# Notes of events are kept for weeks, so nothing is lost by dropping them late.
FORGET_SECONDS = 3600.0


def create_app(
    config: Config | None = None, *, clients: Clients | None = None, clock: Clock | None = None
) -> Flask:
    """Return the application; what is not passed in comes from the environment."""
    config = config or Config.from_environ()
    clients = clients or connect(config, clock)
    clock = clock or SystemClock()
    app = create_flask(__name__, config, key_set=clients.key_set, clock=clock)
    database = Database(config.database_url)
    if config.production:
        database.require("ACCOUNTS_DATABASE_URL")
    Schema(app, database, Base.metadata)
    relay = Relay(database, OutboxEvent, clients.subscriber, clock)
    relaying = Background("the relay", relay.turn, config.relay_seconds)
    listener = Listener(Publisher(relaying.wake), clock)
    taker = Consumer(database, SeenEvent, clock, listener.wanted())
    forgetting = Background("the inbox", taker.forget, FORGET_SECONDS)
    directory = Directory(database, clients, clock)
    background = [relaying, forgetting]
    app.extensions.update(directory=directory, consumer=taker, background=background)
    api = Api(app, title="Accounts")
    api.register_blueprint(routes.bp)
    api.register_blueprint(consumer.bp)
    return app
