"""Take events as tasks, without a broker; `make test-services` does it with real ones."""

from types import SimpleNamespace

import pytest
from celery.exceptions import Reject

from chassis.config import ConfigError
from chassis.errors import Unavailable
from services.notifications import tasks
from services.notifications.config import Config

from .samples import an_event


@pytest.fixture
def deliver(office, monkeypatch):
    monkeypatch.setattr(tasks, "PAUSE_SECONDS", 0)
    return tasks._task_of(office)


def test_event_is_one_mail(deliver, office, post):
    event = an_event()

    for _ in range(3):
        deliver(event)
    office.work()

    assert len(post.sent) == 1


def test_relay_is_woken_at_once(deliver, office):
    woken = []
    office.wake = lambda: woken.append(True)

    deliver(an_event())

    assert woken == [True]


UNREADABLE = {
    "nothing": None,
    "a number": 7,
    "a list": [],
    "no members": {},
    "a text": "\x00",
    "an id": {"id": "1"},
    "a newer version": an_event(version=2),
    "other data": an_event(data={"items": 7}),
    "half a character": an_event(id="\ud800"),
    "two types": an_event(type=["order.confirmed"]),
}


@pytest.mark.parametrize("envelope", [*UNREADABLE.values()], ids=[*UNREADABLE])
def test_what_can_not_be_read_is_a_dead_letter_once(deliver, office, look, post, envelope):
    for _ in range(3):
        deliver(envelope)
    office.work()

    seen = look()
    assert (seen["outbox"]["depth"], seen["outbox"]["dead"], post.sent) == (0, 1, [])
    assert seen["dead_letters"][0]["last_error"]


def test_event_of_a_newer_version_is_sent_once_it_can_be_read(
    deliver, office, retry, post, monkeypatch
):
    event = an_event(version=2)
    deliver(event)
    assert retry(event["id"]) == 204
    office.work()
    assert post.sent == []

    monkeypatch.setattr("services.notifications.mailer.VERSION", 2)
    assert retry(event["id"]) == 204
    office.work()

    assert len(post.sent) == 1


def test_event_goes_back_to_the_broker_while_the_database_is_away(deliver, office, monkeypatch):
    def away(_):
        raise Unavailable

    monkeypatch.setattr(office, "take", away)

    with pytest.raises(Reject) as rejection:
        deliver(an_event())

    assert rejection.value.requeue is True


def test_event_that_breaks_the_code_is_a_dead_letter(deliver, office, look, monkeypatch):
    def fail(_):
        raise ZeroDivisionError

    monkeypatch.setattr(office, "take", fail)
    event = an_event()
    deliver(event)

    assert [letter["id"] for letter in look()["dead_letters"]] == [event["id"]]


def a_message(*payload, task="events.deliver", error=None):
    def decode():
        if error:
            raise error
        return payload

    return SimpleNamespace(headers={"task": task}, decode=decode)


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        (a_message([{}], {}, {}), ""),
        (a_message([{}], {}, {}, task="x"), "The task x is not known here."),
        (a_message([], {}, {}), "The task takes one event."),
        (a_message([{}], {"x": 1}, {}), "The task takes one event."),
        (a_message(error=ValueError("no JSON")), "It is no task: ValueError('no JSON')"),
        (a_message(1), "It is no task: ValueError"),
        (SimpleNamespace(headers=None), "It is no task: TypeError"),
    ],
)
def test_message_that_is_no_task_is_recognised(message, fault):
    found = tasks._fault_of(message)

    assert found.startswith(fault)
    assert bool(found) is bool(fault)


def test_worker_needs_a_broker():
    with pytest.raises(ConfigError, match=r"^CELERY_BROKER_URL: is required"):
        tasks.create_worker(Config.from_environ({}))


def test_worker_keeps_to_what_loses_no_event(tmp_path, monkeypatch):
    monkeypatch.setenv("CELERY_BROKER_URL", "memory://")
    monkeypatch.setenv("SHOP_DATA_DIR", str(tmp_path))
    conf = tasks.app.conf

    assert (conf.task_acks_late, conf.task_reject_on_worker_lost) == (True, True)
    assert (conf.worker_prefetch_multiplier, conf.accept_content) == (1, ["json"])
