"""Compose the greetings service."""

from flask import Flask

from chassis.inbound.api import Api
from chassis.inbound.app import create_flask

from . import routes
from .config import Config
from .domain import load_languages


def create_app(config: Config | None = None) -> Flask:
    """Return the application; without a configuration it is read from the environment."""
    config = config or Config.from_environ()
    app = create_flask(__name__, config)
    app.extensions["languages"] = load_languages()
    api = Api(app, title="Greetings")
    api.register_blueprint(routes.bp)
    return app
