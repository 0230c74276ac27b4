"""Compose the products service."""

from flask import Flask

from chassis.background import Background
from chassis.clock import Clock, SystemClock
from chassis.inbound.api import Api
from chassis.inbound.app import create_flask
from storage.database import Database
from storage.schema import Schema

from . import cli, routes
from .clients import Clients, connect
from .config import Config
from .models import Base
from .reservations import expire_reservations
from .seed import seed_catalogue


def create_app(
    config: Config | None = None, *, clients: Clients | None = None, clock: Clock | None = None
) -> Flask:
    """Return the application; what is not passed in comes from the environment.

    On the first start it fills the catalogue from a file.
    """
    config = config or Config.from_environ()
    clients = clients or connect(config)
    clock = clock or SystemClock()
    app = create_flask(__name__, config, key_set=clients.key_set, clock=clock)
    app.url_map.converters["reservation"] = routes.ReservationIdConverter
    database = Database(config.database_url)
    Schema(app, database, Base.metadata, lambda: seed_catalogue(database, config.catalogue))
    sweep = Background(
        "the sweep", lambda: expire_reservations(database, clock.now()), config.sweep_seconds
    )
    app.extensions.update(database=database, clients=clients, clock=clock, background=[sweep])
    api = Api(app, title="Products")
    api.register_converter(routes.ReservationIdConverter, routes.describe_reservation_id)
    api.register_blueprint(routes.bp)
    api.register_blueprint(routes.reservations_bp)
    cli.init_app(app)
    return app
