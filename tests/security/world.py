"""Call any operation of the whole shop, as anybody, with a request that it would accept."""

import itertools
import json
import re
import sqlite3
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from flask.testing import FlaskClient
from sqlalchemy import update
from werkzeug.test import TestResponse

from chassis.testing import TokenMint, bearer
from messaging import outbox
from services.auth.models import User
from services.notifications.models import Mail
from services.orders.models import OutboxEvent
from services.payments.config import DEVELOPMENT_WEBHOOK_SECRET
from services.payments.signatures import SIGNATURE_HEADER, sign
from tests.databases import rows_of
from tests.security.policy import (
    LINE,
    LOG_IN,
    MONEY,
    NEWCOMER,
    NEWS,
    ORDER,
    Access,
    Operation,
)
from tests.system.whole_shop import WholeShop

# Events go on their way whenever it is their turn, and not because somebody calls.
TRAVELLING = re.compile(r'(INSERT INTO "|)(outbox_events|mails|seen_events|sqlite_sequence)["\s]')
SCOPES = (
    *("reservations:write", "payments:write", "operations:read", "operations:write"),
    *("events:write", "accounts:read", "users:erase"),
)
LEAVER = "somebody who leaves"
CHANGER = "somebody-with-a-new-password"
OTHER = "somebody-whom-operators-look-after"
# Where a service keeps its dead letters.
DEAD_LETTERS = {"orders": ("shop", OutboxEvent), "notifications": ("consumer", Mail)}
NOBODY: Mapping[str, str] = {}
OTHER_VALUES = {
    "order_id": "ord_AAAAAAAAAAAAAAAAAAAAAA",
    "payment_id": "pay_AAAAAAAAAAAAAAAAAAAAAA",
    "reservation_id": "nothing-of-the-kind",
    "event_id": "11111111-1111-4111-8111-111111111111",
    "user_id": "11111111111141118111111111111111",
    "product_id": "999999",
    "new_id": "new-1",
    "client_secret": "guess",
    "refresh_token": "guess",
    "password": "guess",
    "new_password": "guess",
    "criterion": "username",
    "value": "alice",
    "name": "Alice",
    "username": "alice",
    "code": "fr",
}
"""Values for what is named in braces, none of which is anybody's."""

_serial = itertools.count(1)


def filled(template: Any, values: Mapping[str, str]) -> Any:
    """Return a template with the values in place of what is named in braces."""
    if isinstance(template, str):
        for name, value in values.items():
            template = template.replace(f"{{{name}}}", value)
        return template
    if isinstance(template, Mapping):
        return {name: filled(member, values) for name, member in template.items()}
    if isinstance(template, list):
        return [filled(item, values) for item in template]
    return template


def said(answer: TestResponse) -> tuple[int, Any]:
    """Return the status and what the body says, apart from the request's own id."""
    body = answer.get_json(silent=True)
    if isinstance(body, dict):
        body.pop("request_id", None)
    return answer.status_code, body


def dump(folder: Path, addresses: Iterable[str] = ()) -> dict[str, list[str]]:
    """Return everything that the databases of a shop hold, but for what waits to be told.

    A relay tries that again by itself.
    """
    contents = {address: rows_of(address) for address in addresses}
    for path in sorted(folder.glob("*.sqlite3")):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            contents[path.stem] = list(connection.iterdump())
    return {
        name: [row for row in rows if not TRAVELLING.match(row)] for name, rows in contents.items()
    }


@dataclass(frozen=True)
class World:
    """Hold the shop, and everybody who calls it by the headers that say who they are."""

    shop: WholeShop
    folder: Path
    addresses: tuple[str, ...] = ()
    mint: TokenMint = field(default_factory=TokenMint, repr=False)
    ids: dict[str, str] = field(default_factory=dict)
    callers: dict[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    claims: dict[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    """What tokens say of who is none of the users that come with the shop."""
    clients: dict[str, FlaskClient] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for service, app in self.shop.apps.items():
            self.clients[service] = app.test_client(use_cookies=False)
            # What is kept changes by nothing but requests here.
            for chore in app.extensions.get("background", ()):
                chore.stop()
        self.callers["nobody"] = NOBODY
        # Sign as auth does, so that each token is refused for nothing but what it says.
        key = self.shop.apps["auth"].extensions["desk"].key_ring.signing_key
        self.mint.private_key, self.mint.key_id = key.private_key, key.key_id
        auth = self.shop.client("auth")
        for name in (CHANGER, OTHER):
            body = filled(NEWCOMER, {"new_id": name})
            self.ask("auth", "POST", "/api/v1/auth/register", "nobody", body)
        for name in ("alice", "bob", "admin", CHANGER, OTHER):
            password = NEWCOMER["password"] if name in {CHANGER, OTHER} else name
            credentials = {"username": name, "password": password}
            token = auth.post("/api/v1/auth/login", json=credentials).get_json()["access_token"]
            self.callers[name] = bearer(token)
            me = auth.get("/api/v1/auth/me", headers=bearer(token))
            self.ids[name] = me.get_json()["id"]
        self.callers[LEAVER] = bearer(self.mint.user(LEAVER))
        for name in (LEAVER, CHANGER):
            self.claims[name] = self._claims_of(name)
        self.callers["orders"] = bearer(self.mint.service("orders", *SCOPES))
        self.callers["a service without scope"] = bearer(self.mint.service("greetings"))
        for name, user_id in self.ids.items():
            self.tell_of(name, user_id)
        self.ask("products", "PUT", "/api/v1/products/1/stock", "admin", {"stock": 100_000})
        # An order that lost its items must not buy this.
        self.ask("orders", "PUT", "/api/v1/cart/items/2", "alice", {"quantity": 1})

    def entitled(self, operation: Operation) -> str:
        """Return the name of somebody who may call the operation."""
        if str(operation) == "accounts DELETE /api/v1/accounts/me":
            return LEAVER
        if operation.path.endswith("/password"):
            return CHANGER
        return {
            Access.USER: "alice",
            Access.OWNER: "alice",
            Access.OPERATOR: "admin",
            Access.SCOPE: "orders",
        }.get(operation.access, "nobody")

    def subject(self, operation: Operation) -> dict[str, str]:
        """Make what the operation is about, for Alice, in the state that it needs."""
        new_id = f"new-{next(_serial)}"
        secret = (self.folder / "secrets" / "orders").read_text()
        # Not the product that is ordered, whose stock has to last.
        values = {**OTHER_VALUES, "new_id": new_id, "client_secret": secret, "product_id": "3"}
        values |= self._secrets(operation, new_id)
        if "user_id" in operation.parameters:
            values["user_id"] = self._user_id(operation, new_id)
        if operation.service == "orders" and "order_id" in operation.parameters:
            order = self.ask("orders", "POST", "/api/v1/orders", "alice", ORDER)
            values["order_id"] = order["id"]
        if operation.service == "payments":
            body = {"order_id": new_id, "user_id": self.ids["alice"], "amount": MONEY}
            body["token"] = "tok_ok"
            payment = self.ask("payments", "POST", "/internal/payments", "orders", body)
            values |= {"order_id": new_id, "payment_id": payment["id"], "new_id": f"{new_id}-2"}
        if "reservation_id" in operation.parameters:
            body = {"reservation_id": new_id, "items": [LINE]}
            self.ask("products", "POST", "/internal/reservations", "orders", body)
            values["reservation_id"] = new_id
        if "event_id" in operation.parameters:
            values["event_id"] = self._dead_letter(operation.service)
        if operation.after:
            path = filled(operation.path, values).rpartition("/")[0]
            who = self.entitled(operation)
            self.ask(operation.service, "POST", f"{path}/{operation.after}", who)
        return values

    def _user_id(self, operation: Operation, new_id: str) -> str:
        """Return Alice's id, or that of somebody who may be changed or erased in her place."""
        if operation.service == "auth" and not operation.internal:
            return self.ids[OTHER]
        if not operation.path.endswith("/erase"):
            return self.ids["alice"]
        body = filled(NEWCOMER, {"new_id": new_id})
        registered: str = self.ask("auth", "POST", "/api/v1/auth/register", "nobody", body)["id"]
        return registered

    def _secrets(self, operation: Operation, new_id: str) -> dict[str, str]:
        """Return what somebody shows who refreshes or changes a password."""
        if operation.path.endswith("/refresh"):
            signed_in = self.ask("auth", "POST", "/api/v1/auth/login", "nobody", LOG_IN)
            return {"refresh_token": signed_in["refresh_token"]}
        if operation.path.endswith("/password"):
            self._give_back_password()
            return {"password": NEWCOMER["password"], "new_password": f"another {new_id}"}
        return {}

    def _claims_of(self, name: str) -> dict[str, str]:
        """Return who the token of a caller says they are, and in which session."""
        _, _, token = self.callers[name]["Authorization"].partition(" ")
        claims = jwt.decode(token, options={"verify_signature": False})
        return {claim: claims[claim] for claim in ("sub", "sid") if claim in claims}

    def _give_back_password(self) -> None:
        """Let the one who changes it have the password of the beginning, and a new session."""
        desk = self.shop.apps["auth"].extensions["desk"]
        password_hash = desk.hasher.hash(NEWCOMER["password"])
        with desk.database.write() as session:
            theirs = update(User).where(User.id == self.ids[CHANGER])
            session.execute(theirs.values(password_hash=password_hash))
        credentials = {"username": CHANGER, "password": NEWCOMER["password"]}
        signed_in = self.ask("auth", "POST", "/api/v1/auth/login", "nobody", credentials)
        self.callers[CHANGER] = bearer(signed_in["access_token"])
        self.claims[CHANGER] = self._claims_of(CHANGER)

    def tell_of(self, username: str, user_id: str) -> None:
        """Tell accounts of a user, as auth does."""
        news = filled(NEWS, {"new_id": user_id})
        news["data"]["username"] = username
        self.ask("accounts", "POST", "/internal/events", "orders", news)

    def _dead_letter(self, service: str) -> str:
        """Leave a dead letter with a service, and return its id."""
        name, model = DEAD_LETTERS[service]
        part = self.shop.apps[service].extensions[name]
        now = part.clock.now()
        with part.database.write() as session:
            event_id = outbox.publish(session, model, "order.confirmed", "ord_1", {}, now)
            session.execute(update(model).values(died_at=now))
        return event_id

    def ask(self, service: str, method: str, path: str, who: str, body: Any = None) -> Any:
        """Return the answer to something that has to succeed."""
        key = {"Idempotency-Key": f"key-{next(_serial)}"}
        headers = {**self.callers[who], **key}
        answer = self._open(service, method, path, headers, json=body)
        assert answer.status_code < 300, answer.text
        return answer.get_json() if answer.data else None

    def send(
        self,
        operation: Operation,
        who: str | Mapping[str, str],
        values: Mapping[str, str] = OTHER_VALUES,
        *,
        query: str | None = None,
        method: str = "",
        **body: Any,
    ) -> TestResponse:
        """Call the operation with a good request, changed as the keywords say.

        Args:
            operation: what is called.
            who: the name of a caller, or the headers to send.
            values: what stands for the texts in braces.
            query: another query string.
            method: another method.
            body: ``data`` and ``content_type`` of another body.
        """
        headers = dict(self.callers[who] if isinstance(who, str) else who)
        headers.setdefault("Idempotency-Key", f"key-{next(_serial)}")
        if not body and operation.body is not None:
            good = json.dumps(filled(operation.body, values))
            body = {"data": good, "content_type": "application/json"}
        if operation.access is Access.SIGNED:
            headers.setdefault(SIGNATURE_HEADER, signature(body.get("data", b"")))
        query = filled(operation.query, values) if query is None else query
        path = filled(operation.path, values) + (f"?{query}" if query else "")
        return self._open(operation.service, method or operation.method, path, headers, **body)

    def _open(
        self, service: str, method: str, path: str, headers: Mapping[str, str], **body: Any
    ) -> TestResponse:
        if body.get("json", ...) is None:
            body = {}
        client = self.clients[service]
        return client.open(path, method=method, headers=dict(headers), **body)

    def state(self) -> dict[str, list[str]]:
        """Return everything that the databases hold."""
        return dump(self.folder, self.addresses)


def signature(body: str | bytes) -> str:
    """Return the provider's signature of a body, made now."""
    raw = body.encode() if isinstance(body, str) else body
    return sign(raw, DEVELOPMENT_WEBHOOK_SECRET, int(time.time()))
