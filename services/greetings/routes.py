"""Serve greetings."""

from typing import Any

from flask import current_app

from chassis.inbound.api import Blueprint
from chassis.inbound.identity import current_principal, requires_user

from . import service
from .schemas import (
    GreetingSchema,
    HelloSchema,
    LanguageListSchema,
    OwnGreetingSchema,
    TranslatedGreetingSchema,
)

bp = Blueprint("greetings", __name__, description="Greetings in many languages")


def _languages() -> Any:
    return current_app.extensions["languages"]


@bp.get("/greet/<name>")
@bp.response(200, GreetingSchema)
def greet(name: str) -> dict[str, str]:
    """Greet somebody in English."""
    _, message = service.greet(_languages(), name)
    return {"message": message}


@bp.get("/greet/language/<code>/<name>")
@bp.response(200, TranslatedGreetingSchema)
@bp.alt_response(404, "NOT_FOUND")
def greet_in_language(code: str, name: str) -> dict[str, str]:
    """Greet somebody in a language.

    An unknown code is answered with the list of the known ones.
    """
    language, message = service.greet(_languages(), name, code)
    return {"message": message, "language": language.code, "direction": language.direction}


@bp.get("/api/hello/<username>")
@bp.response(200, HelloSchema)
def hello(username: str) -> dict[str, str]:
    """Say hello in the shape that articles on this stack use."""
    return {"hello": username}


@bp.get("/api/v1/greetings/languages")
@bp.response(200, LanguageListSchema)
def list_languages() -> dict[str, Any]:
    """List the languages that greetings are written in."""
    return {"data": list(_languages().values())}


@bp.get("/api/v1/greetings/me")
@requires_user
@bp.response(200, OwnGreetingSchema)
def greet_me() -> dict[str, Any]:
    """Greet the signed-in person by name, in the language of their account.

    While the account can't be looked at, the greeting is a plain one, and says so.
    """
    accounts, me = current_app.extensions["accounts"], current_principal().subject
    language, message = service.greet_user(_languages(), accounts, me)
    greeting = {"language": language.code, "direction": language.direction}
    return greeting | ({"message": message} if message else {"message": "Hello!", "fallback": True})
