"""Hold what notifications expects of accounts against its fake, and against answers over HTTP.

The real service takes its place behind ``people`` once it is there.
"""

import pytest
from flask import Flask, jsonify

from chassis.errors import BadUpstream, Unavailable
from services.notifications.clients import connect
from services.notifications.config import Config
from services.notifications.domain import Recipient
from services.notifications.tests.fakes import FakeAccounts
from tests.system.wsgi_adapter import WSGIAdapter


class AnsweredAccounts:
    """Answer as ``GET /internal/accounts/<id>`` does, to the real client."""

    def __init__(self, folder):
        app = Flask("accounts")
        self.people, self.asked, self.answer = {}, [], None
        app.add_url_rule("/internal/tokens", view_func=self._token, methods=["POST"])
        app.add_url_rule("/internal/accounts/<path:user_id>", view_func=self._account)
        hosts = {"127.0.0.1:8001": app, "127.0.0.1:8002": app}
        config = Config.from_environ({"SHOP_DATA_DIR": str(folder)})
        self.find = connect(config, transport=WSGIAdapter(hosts)).accounts.find

    def open(self, user_id, email, given_name=None, language=None, username=None):
        names = {"given_name": given_name, "family_name": None}
        username = username or user_id
        account = {"id": user_id, "username": username, "email": email, "language": language}
        self.people[user_id] = account | names

    def _token(self):
        return {"access_token": "token", "expires_in": 600}

    def _account(self, user_id):
        self.asked.append(user_id)
        if self.answer:
            return self.answer
        account = self.people.get(user_id)
        return (jsonify(account), 200) if account else ({"code": "not_found"}, 404)


@pytest.fixture
def answered(tmp_path):
    return AnsweredAccounts(tmp_path)


@pytest.fixture(params=["fake", "answered"])
def people(request):
    if request.param == "fake":
        return FakeAccounts()
    return request.getfixturevalue("answered")


def test_account_says_where_how_and_in_which_language_to_write(people):
    people.open("user-1", "alice@example.org", "Alice", "de-AT")

    assert people.find("user-1") == Recipient("alice@example.org", "Alice", "de-AT")


def test_who_gave_no_name_is_called_by_the_one_to_sign_in_with(people):
    people.open("user-1", "alice@example.org", username="alice")

    assert people.find("user-1") == Recipient("alice@example.org", "alice", None)


def test_nobody_is_found_without_an_account_or_an_address(people):
    people.open("user-1", None)

    assert people.find("user-1") is None
    assert people.find("user-2") is None


@pytest.mark.parametrize("user_id", ["a b", "ü/ö", "a?b=c#d", "%2e%2e"])
def test_strange_id_is_asked_for_as_it_is(answered, user_id):
    assert answered.find(user_id) is None

    assert answered.asked == [user_id]


def test_id_that_would_lead_elsewhere_is_not_asked_for(answered):
    with pytest.raises(ValueError, match="no plain path"):
        answered.find("../tokens")

    assert answered.asked == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (({}, 503), Unavailable),
        (({}, 401), Unavailable),
        (({}, 403), Unavailable),
        (({}, 429), Unavailable),
        (({}, 500), BadUpstream),
        (({}, 400), BadUpstream),
        (({"email": "a@b.org"}, 200), BadUpstream),
        (("[]", 200), BadUpstream),
    ],
)
def test_answer_that_says_nothing_of_the_account_is_told_from_its_absence(answered, answer, error):
    answered.answer = answer

    with pytest.raises(error):
        answered.find("user-1")
