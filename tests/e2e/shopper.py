"""Act as a client of the shop: a person with a browser's cookies, or a program with a token."""

import itertools
import uuid
from typing import Any

import requests

ADDRESS = {
    "name": "Alice",
    "line1": "1 Cauldron Lane",
    "city": "Prague",
    "postal_code": "11000",
    "country": "CZ",
}
PASSWORDS = {"admin": "admin", "alice": "alice", "bob": "bob"}


class Shopper:
    """Call one shop, keeping cookies as a browser does."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False
        self._keys = itertools.count()
        self._prefix = uuid.uuid4().hex

    def sign_in(self, username: str = "alice") -> "Shopper":
        credentials = {"username": username, "password": PASSWORDS[username]}
        answer = self.post("/auth", json=credentials)
        assert answer.status_code == 200, answer.text
        return self

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.call("GET", path, **options)

    def post(self, path: str, **options: Any) -> requests.Response:
        return self.call("POST", path, **options)

    def put(self, path: str, **options: Any) -> requests.Response:
        return self.call("PUT", path, **options)

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        options.setdefault("timeout", 15)
        return self.session.request(method, self.url + path, **options)

    def order(
        self, items: Any = ((1, 1),), *, token: str = "tok_ok", key: str | None = None
    ) -> requests.Response:
        body: dict[str, Any] = {"payment": {"token": token}, "shipping_address": ADDRESS}
        if items is not None:
            body["items"] = [{"product_id": item, "quantity": count} for item, count in items]
        key = key or f"{self._prefix}-{next(self._keys)}"
        return self.post("/api/v1/orders", json=body, headers={"Idempotency-Key": key})

    def stock(self, product_id: int) -> int:
        return int(self.get(f"/api/v1/products/{product_id}").json()["stock"])

    def set_stock(self, product_id: int, stock: int) -> None:
        path = f"/api/v1/products/{product_id}/stock"
        assert self.put(path, json={"stock": stock}).status_code == 200
