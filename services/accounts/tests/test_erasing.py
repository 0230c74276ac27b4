"""Have oneself erased."""

import pytest
from sqlalchemy import func, select

from chassis.errors import Unavailable
from services.accounts.models import Account, Address, OutboxEvent

from .conftest import ADDRESS

ME = "/api/v1/accounts/me"


class Away:
    """Take no event."""

    def deliver(self, envelope):
        raise Unavailable


@pytest.fixture
def subscriber():
    return Away()


@pytest.fixture
def kept(directory):
    def kept():
        with directory.database.read() as session:
            tables = (Account, Address, OutboxEvent)
            return [session.scalar(select(func.count()).select_from(table)) for table in tables]

    return kept


@pytest.fixture
def registered(register, change, operator):
    register("alice")
    register("olga")
    change("alice", addresses=[ADDRESS])


@pytest.mark.usefixtures("registered")
def test_erasure_begins_at_auth_and_leaves_nothing(client, alice, users, kept):
    assert kept() == [2, 1, 2]

    answer = client.delete(ME, headers=alice)

    assert (answer.status_code, answer.data) == (204, b"")
    assert users.erased == ["alice"]
    assert kept() == [1, 0, 1]


@pytest.mark.usefixtures("registered")
def test_erasure_is_safe_to_repeat(client, alice, users):
    statuses = [client.delete(ME, headers=alice).status_code for _ in range(2)]

    assert statuses == [204, 204]
    assert users.erased == ["alice", "alice"]


@pytest.mark.usefixtures("registered")
def test_nothing_is_deleted_while_auth_is_away(client, alice, users, kept):
    users.error = Unavailable("auth is away")

    answer = client.delete(ME, headers=alice)

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert kept() == [2, 1, 2]


@pytest.mark.usefixtures("registered")
def test_last_operator_stays(client, operator, kept):
    answer = client.delete(ME, headers=operator)

    assert (answer.status_code, answer.get_json()["code"]) == (409, "last_operator")
    assert kept() == [2, 1, 2]


@pytest.mark.usefixtures("registered")
def test_news_of_the_erasure_finishes_what_a_crash_left(tell, kept):
    tell("user.erased", "alice")

    assert kept() == [1, 0, 1]


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("call", ["get", "patch"])
def test_token_that_outlives_its_owner_finds_nothing_at_once(client, alice, sleep_by, call):
    client.delete(ME, headers=alice)
    sleep_by(None)

    body = {} if call == "get" else {"json": {"given_name": "Alice"}}
    answer = getattr(client, call)(ME, headers=alice, **body)

    assert (answer.status_code, answer.get_json()["code"]) == (404, "account_not_found")
