"""Compose the auth service."""

from datetime import timedelta

from flask import Flask

from chassis.clock import Clock, SystemClock
from chassis.inbound.api import Api
from chassis.inbound.app import AUDIENCE, create_flask
from storage.database import Database
from storage.schema import Schema

from . import cli, routes
from .config import Config
from .keys import KeyRing
from .models import Base
from .passwords import PasswordHasher
from .seed import seed_users
from .service import Desk
from .sessions import Lives
from .tokens import TokenIssuer


def create_app(config: Config | None = None, *, clock: Clock | None = None) -> Flask:
    """Return the application; without a configuration it is read from the environment.

    On the first start it makes the signing key and brings in the users of the users file.
    """
    config = config or Config.from_environ()
    clock = clock or SystemClock()
    database = Database(config.database_url)
    key_ring = KeyRing(database)
    app = create_flask(__name__, config, key_set=key_ring, clock=clock)
    hasher = PasswordHasher()

    def first() -> None:
        # Both are made on the first start, and a process that finds them takes them over.
        key_ring.load(clock.now())
        seed_users(database, config, hasher, clock.now())

    Schema(app, database, Base.metadata, first)
    issuer = TokenIssuer(
        key_ring,
        clock,
        issuer=config.issuer,
        audience=AUDIENCE,
        life_seconds=config.access_token_seconds,
    )
    lives = Lives(
        timedelta(seconds=config.refresh_token_seconds),
        timedelta(seconds=config.refresh_grace_seconds),
    )
    app.extensions["desk"] = Desk(
        database, hasher, key_ring, issuer, config.secrets_dir, clock, lives
    )
    api = Api(app, title="Auth")
    api.register_blueprint(routes.bp)
    cli.init_app(app)
    return app
