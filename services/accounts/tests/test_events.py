"""Take the news of users, and tell of the accounts that follow."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from chassis.testing import bearer
from services.accounts.models import OutboxEvent
from tests.contract.event_schemas import faults
from tests.waiting import wait_until

from .fakes import FakeSubscriber


@pytest.fixture
def subscriber():
    return FakeSubscriber()


@pytest.fixture
def person(client, mint):
    """Return what other services learn of somebody."""
    headers = bearer(mint.service("greetings", "accounts:read"))
    return lambda user_id: client.get(f"/internal/accounts/{user_id}", headers=headers)


@pytest.fixture
def waiting(directory):
    def waiting():
        with directory.database.read() as session:
            return session.scalar(select(func.count()).select_from(OutboxEvent))

    return waiting


def test_account_of_who_registered_is_told_at_once(register, subscriber):
    register(language="de")

    event = subscriber.next()
    assert faults("envelope.v1.json", event) == []
    assert faults("account.opened.v1.json", event["data"]) == []
    assert (event["type"], event["aggregate_id"]) == ("account.opened", "alice")
    assert event["data"] == {
        "user_id": "alice",
        "username": "alice",
        "email": "alice@example.com",
        "language": "de",
        "given_name": None,
    }


def test_who_was_imported_is_known_and_not_welcomed(register, person, waiting):
    register(kind="user.imported", email=None)

    assert person("alice").get_json() == {
        "id": "alice",
        "username": "alice",
        "email": None,
        "given_name": None,
        "family_name": None,
        "language": None,
    }
    assert waiting() == 0


def test_news_that_comes_again_changes_nothing(register, change, person, subscriber, waiting):
    register(event_id="event-1")
    change(given_name="Alice")
    subscriber.next()
    wait_until(lambda: waiting() == 0)

    register(event_id="event-1")
    register(username="other")
    register(kind="user.imported", username="other")

    assert person("alice").get_json()["username"] == "alice"
    assert person("alice").get_json()["given_name"] == "Alice"
    assert (subscriber.taken.empty(), waiting()) == (True, 0)


@pytest.mark.usefixtures("many_at_once")
def test_news_that_comes_twice_at_once_opens_one_account(app, mint, subscriber, waiting):
    start = threading.Barrier(4)

    def tell(number):
        client, headers = app.test_client(), bearer(mint.service("auth", "events:write"))
        news = {"user_id": "alice", "username": "alice", "email": "a@b", "language": None}
        envelope = {"id": f"event-{number}", "type": "user.registered", "version": 1, "data": news}
        envelope |= {"aggregate_id": "alice", "occurred_at": "2030-01-01T00:00:00+00:00"}
        start.wait(5)
        return client.post("/internal/events", json=envelope, headers=headers).status_code

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(tell, range(4))) == [204] * 4

    subscriber.next()
    wait_until(lambda: waiting() == 0)
    assert subscriber.taken.empty()


def test_who_was_erased_is_gone_and_does_not_come_back_by_late_news(register, tell, person):
    register()
    for _ in range(2):
        assert tell("user.erased", "alice").status_code == 204

    register()

    assert person("alice").status_code == 404


def test_nobody_has_to_have_been_known_to_be_erased(tell):
    assert tell("user.erased", "nobody").status_code == 204


def test_two_may_have_had_the_same_name(register, tell, person):
    register("first", username="alice", email="a@example.com")
    register("second", username="alice", email="a@example.com")

    tell("user.erased", "first")

    assert (person("first").status_code, person("second").status_code) == (404, 200)


@pytest.mark.parametrize("language", ["de" + "-abcdefgh" * 9, "Klingon", ""])
def test_nobody_goes_without_an_account_for_an_odd_language(register, person, language):
    register(language=language)

    assert person("alice").get_json()["language"] is None


@pytest.mark.parametrize("wrong", [{"email": None}, {"username": ""}, {"username": "x" * 65}])
def test_news_that_can_not_be_read_is_refused(tell, wrong):
    good = {"username": "alice", "email": "alice@example.com", "language": None}

    assert tell("user.registered", "alice", **{**good, **wrong}).status_code == 422


@pytest.mark.parametrize("user_id", ["nobody", "%00", "a%00b", "x" * 300, "%ff", "%F0%9F%A7%AA"])
def test_unknown_account_is_not_found_at_once(person, user_id):
    assert person(user_id).get_json()["code"] == "account_not_found"
