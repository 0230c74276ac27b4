"""Serve the gateway's own pages: a welcome, the status, and the documentation of all services."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from flask import Blueprint, Flask, Response, current_app, jsonify, render_template, request

import contracts
from chassis.inbound.app import settings_of

DOCUMENT: Final = Path(contracts.__file__).with_name("openapi") / "gateway.json"
# Long enough for a visit, short enough for an upgrade to show the same day.
STATIC_SECONDS: Final = 3600
LINKS: Final = {"documentation": "/docs", "products": "/api/v1/products", "status": "/status"}

bp = Blueprint("pages", __name__, static_folder="static", static_url_path="/static")


def init_app(app: Flask) -> None:
    """Add the pages to the application."""
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = STATIC_SECONDS
    app.register_blueprint(bp)


def page_or_json(template: str, document: Mapping[str, Any], **context: Any) -> Response:
    """Show a page to a browser, and a JSON document to everybody else."""
    offered = ["application/json", "text/html"]
    if request.accept_mimetypes.best_match(offered) == "text/html":
        response = Response(render_template(template, **context))
    else:
        response = jsonify(document)
    response.headers["Vary"] = "Accept"
    return response


@bp.get("/")
def welcome() -> Response:
    """Welcome a browser with a page, and everybody else with JSON."""
    demo_user = "" if settings_of(current_app).production else "alice"
    document = {"message": "Hello, this is a Flask Microservice", "links": LINKS}
    return page_or_json("welcome.html", document, demo_user=demo_user)


@bp.get("/openapi.json")
def describe() -> Response:
    """Return the OpenAPI document of all services, as ``make openapi`` has merged it."""
    return Response(DOCUMENT.read_bytes(), mimetype="application/json")


@bp.get("/docs")
def document() -> str:
    """List all calls for people."""
    return render_template("docs.html", api=json.loads(DOCUMENT.read_bytes()))
