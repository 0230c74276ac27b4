"""Answer from a bare Flask view that calls nobody: what all others are measured against."""

from flask import Flask, Response

from tests.load.peers.answers import PAGE

app = Flask(__name__)


@app.get("/products")
def products() -> Response:
    return Response(PAGE, mimetype="application/json")
