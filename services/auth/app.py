"""Compose the auth service."""

from collections.abc import Callable
from datetime import timedelta

from flask import Flask

from chassis.background import Background
from chassis.clock import Clock, SystemClock
from chassis.inbound.api import Api
from chassis.inbound.app import AUDIENCE, create_flask
from chassis.renewal import Renewed
from messaging.outbox import Relay
from storage.database import Database
from storage.schema import Schema

from . import cli, routes, service
from .clients import Clients, connect
from .config import Config
from .keys import KeyRing
from .models import Base, OutboxEvent
from .passwords import PasswordHasher
from .rotation import READ_SECONDS, Schedule
from .seed import seed_users
from .service import Desk
from .sessions import Lives
from .throttle import Throttle, Times
from .tokens import TokenIssuer, own_tokens

TIDY_SECONDS = 60.0


def create_app(
    config: Config | None = None,
    *,
    clock: Clock | None = None,
    connect: Callable[[Config, Renewed[str], Clock], Clients] = connect,
) -> Flask:
    """Return the application; without a configuration it is read from the environment.

    On the first start it makes the signing key and brings in the users of the users file.
    ``connect`` makes the clients of other services, with this one's own tokens.
    """
    config = config or Config.from_environ()
    clock = clock or SystemClock()
    database = Database(config.database_url)
    key_ring = KeyRing(database, clock, _schedule(config))
    app = create_flask(__name__, config, key_set=key_ring, clock=clock)
    hasher = PasswordHasher()

    def first() -> None:
        # Both are made on the first start, and a process that finds them takes them over.
        key_ring.load()
        seed_users(database, config, hasher, clock.now())

    Schema(app, database, Base.metadata, first)
    issuer = _issuer(config, key_ring, clock)
    clients = connect(config, own_tokens(issuer, config.service, clock), clock)
    relay = Relay(database, OutboxEvent, clients.subscriber, clock)
    delivery = Background("the relay", relay.turn, config.relay_seconds)
    desk = Desk(
        database,
        hasher,
        key_ring,
        issuer,
        config.secrets_dir,
        clock,
        _lives(config),
        Throttle(database, clock, _times(config)),
        timedelta(seconds=config.device_seconds),
        delivery.wake,
    )
    tidying = Background("the tidying", lambda: service.forget_expired(desk), TIDY_SECONDS)
    rotation = Background("the key rotation", key_ring.keep_up, READ_SECONDS)
    app.extensions.update(desk=desk, background=[delivery, tidying, rotation])
    api = Api(app, title="Auth")
    api.register_blueprint(routes.bp)
    cli.init_app(app)
    return app


def _issuer(config: Config, key_ring: KeyRing, clock: Clock) -> TokenIssuer:
    return TokenIssuer(
        key_ring,
        clock,
        issuer=config.issuer,
        audience=AUDIENCE,
        life_seconds=config.access_token_seconds,
    )


def _schedule(config: Config) -> Schedule:
    return Schedule(
        timedelta(seconds=config.key_set_seconds),
        timedelta(seconds=config.access_token_seconds),
        timedelta(seconds=config.key_rotation_seconds),
    )


def _lives(config: Config) -> Lives:
    return Lives(
        timedelta(seconds=config.refresh_token_seconds),
        timedelta(seconds=config.refresh_grace_seconds),
    )


def _times(config: Config) -> Times:
    return Times(
        timedelta(seconds=config.login_source_seconds),
        timedelta(seconds=config.login_account_seconds),
        timedelta(seconds=config.login_max_delay_seconds),
    )
