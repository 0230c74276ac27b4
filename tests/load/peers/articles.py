"""Be the gateway as articles on this stack show it: one pooled nothing, one decorator."""

from functools import wraps

import jwt
import pybreaker
import requests
from flask import Flask, jsonify, request

from tests.load.peers.answers import public_key, upstream_url

app = Flask(__name__)
breaker = pybreaker.CircuitBreaker(fail_max=5, reset_timeout=60)


def token_required(view):
    @wraps(view)
    def decorated(*args, **kwargs):
        token = request.cookies.get("token")
        if not token:
            return jsonify({"error": "Authorization token is missing"}), 401
        try:
            jwt.decode(token, public_key(), algorithms=["EdDSA"], audience="shop")
        except jwt.InvalidTokenError:
            return jsonify({"error": "Authorization token is invalid"}), 401
        return view(*args, **kwargs)

    return decorated


@breaker
def call(path):
    return requests.get(upstream_url() + path, timeout=5)


@app.get("/products")
@token_required
def products():
    return jsonify(call("/products").json())
