"""Compose the greetings service."""

from flask import Flask

from chassis.inbound.api import Api
from chassis.inbound.app import create_flask

from . import routes
from .clients import Clients, connect
from .config import Config
from .domain import load_languages


def create_app(config: Config | None = None, *, clients: Clients | None = None) -> Flask:
    """Return the application; what is not passed in comes from the environment."""
    config = config or Config.from_environ()
    clients = clients or connect(config)
    app = create_flask(__name__, config, key_set=clients.key_set)
    app.extensions.update(languages=load_languages(), accounts=clients.accounts)
    api = Api(app, title="Greetings")
    api.register_blueprint(routes.bp)
    return app
