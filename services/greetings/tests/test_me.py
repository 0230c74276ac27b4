"""Greet the signed-in person as their account says, or plainly when nothing is known of them."""

import json

import pytest
from requests import Response
from requests.adapters import BaseAdapter

from chassis.errors import BadUpstream, DeadlineExceeded, Unavailable
from chassis.testing import TokenMint, bearer
from services.greetings import create_app
from services.greetings.clients import Clients, Person, connect
from services.greetings.config import Config

from .fakes import FakeAccounts

PLAIN = {"message": "Hello!", "language": "en", "direction": "ltr", "fallback": True}
ALICE = {"username": "alice", "given_name": "Alice", "language": "fr"}


class Wire(BaseAdapter):
    """Answer what is asked of auth, and say ``body`` for accounts."""

    def __init__(self):
        super().__init__()
        self.status, self.body, self.asked = 200, b"{}", 0

    def send(self, request, **_):
        body = json.dumps({"access_token": "token", "expires_in": 600}).encode()
        status = 200
        if "/internal/tokens" not in request.url:
            self.asked += 1
            status, body = self.status, self.body
        response = Response()
        response.status_code, response._content = status, body
        return response

    def close(self):
        pass


@pytest.fixture
def mint():
    return TokenMint()


@pytest.fixture
def config(tmp_path):
    return Config.from_environ({"SHOP_DATA_DIR": str(tmp_path)})


@pytest.fixture
def wire():
    return Wire()


@pytest.fixture
def accounts():
    return FakeAccounts()


@pytest.fixture
def greet(config, mint):
    """Return how somebody is greeted by a service with these accounts."""

    def greet(accounts, user_id="alice"):
        client = create_app(config, clients=Clients(mint, accounts)).test_client()
        answer = client.get("/api/v1/greetings/me", headers=bearer(mint.user(user_id)))
        assert answer.status_code == 200
        return answer.get_json()

    return greet


@pytest.mark.parametrize(
    ("language", "message", "code", "direction"),
    [
        ("fr", "Bonjour, Alice!", "fr", "ltr"),
        ("de-AT", "Hallo, Alice!", "de", "ltr"),
        ("ar-EG", "مرحبًا، Alice!", "ar", "rtl"),
        ("tlh", "Hello, Alice!", "en", "ltr"),
        (None, "Hello, Alice!", "en", "ltr"),
    ],
)
def test_language_is_that_of_the_account_or_its_base_or_english(
    greet, accounts, language, message, code, direction
):
    accounts.people["alice"] = Person("Alice", language)

    assert greet(accounts) == {"message": message, "language": code, "direction": direction}


def test_nobody_is_greeted_without_a_token(config, mint, accounts):
    client = create_app(config, clients=Clients(mint, accounts)).test_client()

    assert client.get("/api/v1/greetings/me").status_code == 401


@pytest.mark.parametrize("error", [None, Unavailable, DeadlineExceeded, BadUpstream])
def test_who_is_not_known_now_is_greeted_plainly(greet, accounts, error):
    accounts.error = error

    assert greet(accounts, "stranger") == PLAIN


@pytest.mark.parametrize(
    ("account", "message"),
    [(ALICE, "Bonjour, Alice!"), ({**ALICE, "given_name": None}, "Bonjour, alice!")],
)
def test_given_name_comes_before_the_user_name(greet, config, wire, account, message):
    wire.body = json.dumps(account).encode()

    assert greet(connect(config, transport=wire).accounts)["message"] == message


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"{}"), (200, b"[]"), (200, b"Hello"), (200, b'{"username":1}'), (403, b"{}"),
        (200, b'{"username":"alice","language":["fr"]}'), (404, b"{}"), (500, b""), (503, b""),
    ],
)  # fmt: skip
def test_broken_answer_is_as_good_as_none(greet, config, wire, status, body):
    wire.status, wire.body = status, body

    assert greet(connect(config, transport=wire).accounts) == PLAIN


def test_accounts_that_fails_again_and_again_is_not_asked_any_more(greet, config, wire):
    wire.status, accounts = 500, connect(config, transport=wire).accounts
    for _ in range(10):
        greet(accounts)
    before = wire.asked

    assert greet(accounts) == PLAIN
    assert wire.asked == before
