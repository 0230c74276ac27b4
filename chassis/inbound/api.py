"""Bind routes to schemas: strict reading, and an OpenAPI document that follows from the code.

flask-smorest does the documenting; its own error handler is left out because it drops headers,
and its body parser is replaced by :mod:`chassis.inbound.bodies`.
"""

import threading
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, NoReturn

import flask_smorest
import marshmallow as ma
from flask import Flask, Request, g, request
from marshmallow import fields, validate
from webargs.flaskparser import FlaskParser

from chassis.errors import Invalid
from chassis.inbound.app import IdConverter
from chassis.inbound.bodies import MAX_INTEGER, read_body, read_json_object
from chassis.inbound.problems import MEDIA_TYPE

OPENAPI_VERSION = "3.1.0"


class Schema(ma.Schema):
    """Refuse members that are not declared."""

    class Meta:
        """Keep the declared order and be strict about unknown members."""

        unknown = ma.RAISE


class Integer(fields.Integer):
    """Accept JSON integers only: no text, no fraction, no boolean."""

    def __init__(
        self, *, minimum: int = -MAX_INTEGER, maximum: int = MAX_INTEGER, **kwargs: Any
    ) -> None:
        """Bound the value, both ends included."""
        super().__init__(strict=True, validate=validate.Range(min=minimum, max=maximum), **kwargs)

    def _validated(self, value: Any) -> int:
        if type(value) is not int:
            raise self.make_error("invalid", input=value)
        return value


class QueryInteger(Integer):
    """Accept plain ASCII digits from a query string."""

    def _validated(self, value: Any) -> int:
        digits = str(value).removeprefix("-")
        if not (digits.isascii() and digits.isdigit()) or len(digits) > len(str(MAX_INTEGER)):
            raise self.make_error("invalid", input=value)
        return int(value)


class Text(fields.String):
    """Accept text of a bounded length that every database can store and every log can show."""

    def __init__(self, *, minimum: int = 0, maximum: int = 1000, **kwargs: Any) -> None:
        """Bound the length in characters, both ends included."""
        checks = [validate.Length(min=minimum, max=maximum), *kwargs.pop("also", ())]
        super().__init__(validate=checks, **kwargs)

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
            raise self.make_error("invalid_utf8")
        return text


class ProblemSchema(ma.Schema):
    """Document the members that every problem has."""

    type = fields.String(required=True, metadata={"example": "/problems/not_found"})
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    code = fields.String(required=True)
    error = fields.String(required=True, metadata={"description": "The same as `title`"})
    request_id = fields.String(allow_none=True)
    errors = fields.Dict(metadata={"description": "What is wrong with which field"})


class StrictParser(FlaskParser):
    """Read arguments with the chassis' body parser and raise the chassis' errors."""

    def load_json(self, req: Request, schema: ma.Schema) -> Any:
        """Return the JSON object of the request; a ``bodiless`` schema makes do with nothing."""
        g.body_taken = True
        if getattr(schema, "bodiless", False) and not read_body(req):
            return {}
        return read_json_object(req)

    def load_querystring(self, req: Request, schema: ma.Schema) -> Any:
        """Return the query parameters; each may be given once."""
        repeated = sorted(name for name, values in req.args.lists() if len(values) > 1)
        if repeated:
            message = "A query parameter may be given once."
            raise Invalid(message, errors={name: ["Given more than once."] for name in repeated})
        return super().load_querystring(req, schema)

    def handle_error(self, error: ma.ValidationError, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Turn marshmallow's messages into the members of a problem."""
        messages: Any = error.messages
        if isinstance(messages, Mapping) and len(messages) == 1:
            messages = next(iter(messages.values()))  # the location: json, query, …
        message = "Some of the input is not acceptable; see 'errors'."
        raise Invalid(message, errors=messages) from error


class Blueprint(flask_smorest.Blueprint):
    """Read arguments strictly."""

    # In queries too: a misspelt filter would otherwise be left out in silence.
    ARGUMENTS_PARSER = StrictParser(unknown=ma.RAISE)

    def response(self, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        """Describe the answer; a route that takes no body refuses all members sent to it."""
        describe = super().response(*args, **kwargs)
        return lambda view: describe(_refusing_members(view))


def _refusing_members(view: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(view)
    def strict(*args: Any, **kwargs: Any) -> Any:
        # Whoever sends members believes that they do something.
        if request.method != "GET" and "body_taken" not in g and read_body(request):
            Blueprint.ARGUMENTS_PARSER.parse({}, request, location="json")
        return view(*args, **kwargs)

    return strict


class Api(flask_smorest.Api):
    """Serve ``/openapi.json`` and leave the errors to :mod:`chassis.inbound.problems`.

    The document is made when it is asked for first: few processes ever are, and making it takes
    as long as the rest of a service's start.
    """

    ERROR_SCHEMA: type[ma.Schema] = ProblemSchema  # type: ignore[assignment]

    def __init__(self, app: Flask, title: str) -> None:
        """Document an application under a title."""
        app.config.update(
            API_TITLE=title,
            API_VERSION="v1",
            OPENAPI_VERSION=OPENAPI_VERSION,
            OPENAPI_URL_PREFIX="/",
            OPENAPI_JSON_PATH="openapi.json",
        )
        self._blueprints: list[flask_smorest.Blueprint] = []
        self._lock = threading.Lock()
        self._document: dict[str, Any] = {}
        super().__init__(app)

    def register_blueprint(self, blueprint: flask_smorest.Blueprint) -> None:  # type: ignore[override]
        """Bind the routes of a blueprint, and keep them for the document."""
        self._app.extensions["flask-smorest"]["blp_name_to_api"][blueprint.name] = self
        self._app.register_blueprint(blueprint)
        self._blueprints.append(blueprint)

    def document(self) -> dict[str, Any]:
        """Return the OpenAPI document, with problems under their own media type."""
        with self._lock:
            self._document = self._document or self._describe()
        return self._document

    def _describe(self) -> dict[str, Any]:
        super()._init_spec()
        self.register_converter(IdConverter, lambda _: {"type": "integer", "minimum": 1})
        scheme = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
        self.spec.components.security_scheme("bearer", scheme)
        for each in self._blueprints:
            each.register_views_in_doc(self, self._app, self.spec, name=each.name, parameters=None)
            self.spec.tag({"name": each.name, "description": each.description})
        document: dict[str, Any] = self.spec.to_dict()
        for response in document.get("components", {}).get("responses", {}).values():
            content = response.get("content", {})
            if "application/json" in content:
                response["content"] = {MEDIA_TYPE: content["application/json"]}
        return document

    def _init_spec(self, **_options: Any) -> None:
        """Leave it to :meth:`document`."""

    def _openapi_json(self) -> Any:
        return self.document()

    def _register_error_handlers(self) -> None:
        """Leave errors alone."""
