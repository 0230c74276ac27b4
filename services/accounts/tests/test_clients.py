"""Ask auth to erase somebody, and understand what it says."""

import json

import pytest
from requests import ConnectionError as NoConnection
from requests import ConnectTimeout, ReadTimeout, Response
from requests.adapters import BaseAdapter

from chassis.errors import BadUpstream, Unavailable
from services.accounts.clients import connect
from services.accounts.config import Config
from services.accounts.errors import LastOperator


class Auth(BaseAdapter):
    """Give tokens, and answer an erasure with ``status`` and ``body`` or an error."""

    def __init__(self):
        super().__init__()
        self.status, self.body, self.error, self.asked = 204, {}, None, []

    def send(self, request, **_):
        response = Response()
        response.status_code, body = 200, {"access_token": "token", "expires_in": 600}
        if "/internal/tokens" not in request.url:
            self.asked.append(request)
            if self.error:
                raise self.error
            response.status_code, body = self.status, self.body
        response._content = json.dumps(body).encode()
        return response

    def close(self):
        pass


@pytest.fixture
def auth():
    return Auth()


@pytest.fixture
def users(auth, tmp_path):
    config = Config.from_environ({"SHOP_DATA_DIR": str(tmp_path)})
    return connect(config, transport=auth).users


def test_erasure_names_the_user_and_who_asks_and_may_be_repeated(auth, users):
    users.erase("alice/?")

    [request] = auth.asked
    assert (request.method, request.path_url) == ("POST", "/internal/users/alice%2F%3F/erase")
    assert request.headers["Authorization"] == "Bearer token"
    assert request.headers["Idempotency-Key"]


def test_last_operator_is_told_apart(auth, users):
    auth.status, auth.body = 409, {"code": "last_operator", "detail": "Somebody has to stay."}

    with pytest.raises(LastOperator, match=r"Somebody has to stay\."):
        users.erase("admin")


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422, 500])
def test_other_refusal_is_not_taken_for_an_erasure(auth, users, status):
    auth.status = status

    with pytest.raises(BadUpstream):
        users.erase("alice")


@pytest.mark.parametrize("error", [ConnectTimeout, ReadTimeout, NoConnection])
def test_silence_means_to_try_again(auth, users, error):
    auth.error = error()

    with pytest.raises(Unavailable) as refusal:
        users.erase("alice")

    assert refusal.value.headers["Retry-After"] == "1"
