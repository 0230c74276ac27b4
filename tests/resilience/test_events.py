"""Deliver events to a subscriber that is away, slow, choosy or broken, over real sockets."""

import json
import os
import subprocess
import sys
from collections import Counter

import pytest
from sqlalchemy import update
from sqlalchemy.orm import DeclarativeBase

from chassis.outbound.client import ServiceClient
from chassis.testing import FakeClock
from messaging import outbox, transports
from messaging.outbox import OutboxColumns, Relay
from messaging.transports import HTTPTransport
from storage.database import Database
from tests.e2e.running import ROOT
from tests.e2e.shopper import Shopper
from tests.resilience.subscriber import Subscriber
from tests.waiting import wait_until


class Base(DeclarativeBase):
    pass


class Waiting(OutboxColumns, Base):
    __tablename__ = "waiting"


@pytest.fixture
def subscriber(tmp_path):
    with Subscriber(tmp_path) as subscriber:
        yield subscriber


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/outbox.sqlite3")
    database.create_all(Base.metadata)
    yield database
    database.close()


@pytest.fixture
def relay(database, subscriber, clock):
    client = ServiceClient("subscriber", subscriber.url, clock=clock, policy=transports.BREAKER)
    yield Relay(database, Waiting, HTTPTransport(client), clock)
    client.close()


@pytest.fixture
def publish(database, clock):
    def publish(kind, aggregate_id, **data):
        with database.write() as session:
            return outbox.publish(session, Waiting, kind, aggregate_id, data, clock.now())

    return publish


@pytest.fixture
def rewrite(database):
    """Change the payload of an event that waits."""

    def rewrite(event_id, change):
        with database.write() as session:
            event = session.query(Waiting).filter_by(id=event_id).one()
            its = update(Waiting).where(Waiting.id == event_id)
            session.execute(its.values(payload=change(event.payload)))

    return rewrite


def changed(**members):
    return lambda payload: json.dumps({**json.loads(payload), **members})


def test_poisoned_events_die_after_five_tries_and_hold_nobody_up(
    relay, publish, rewrite, subscriber, database, clock
):
    subscriber.answer = lambda envelope: 500 if envelope["type"] == "thing.raising" else 200
    rewrite(publish("thing.malformed", "malformed"), lambda payload: payload[:-9])
    rewrite(publish("thing.unknown", "unknown"), changed(version=2))
    publish("thing.long", "long", text="x" * 10_000_000)
    publish("thing.raising", "raising")
    for aggregate_id in ("malformed", "unknown", "long", "raising"):
        publish("thing.made", aggregate_id)
    for number in range(20):
        publish("thing.made", f"other-{number}")

    relay.turn()
    assert len(subscriber.effects) == 22  # Two of the poisoned ones died at once.
    for _ in range(60):
        clock.advance(1)
        relay.turn()

    with database.read() as session:
        _, letters = outbox.dead_letters(session, Waiting, 10)
        assert outbox.waiting(session, Waiting) == (0, None)
    assert {letter.type: letter.attempts for letter in letters} == {
        "thing.malformed": 5,
        "thing.unknown": 1,
        "thing.long": 1,
        "thing.raising": 5,
    }
    assert len(subscriber.effects) == 24


def test_consumer_of_the_old_version_takes_what_was_added(relay, publish, rewrite, subscriber):
    event_id = publish("thing.made", "thing", size=3)
    rewrite(event_id, changed(colour="green", data={"size": 3, "weight": 7}))

    relay.turn()

    assert [effect.event_id for effect in subscriber.effects] == [event_id]


def test_event_that_comes_three_times_has_one_effect(relay, publish, subscriber, database, clock):
    """Lose the answer twice: the effect is committed, but the relay hears of a failure."""
    lost = iter([503, 503])

    def answer_late(envelope):
        status = next(lost, 200)
        if status != 200:
            subscriber.take(envelope)
        return status

    subscriber.answer = answer_late
    event_id = publish("thing.made", "thing")

    for _ in range(3):
        relay.turn()
        clock.advance(10)

    assert [envelope["id"] for envelope in subscriber.envelopes] == [event_id] * 3
    assert [effect.event_id for effect in subscriber.effects] == [event_id]


@pytest.fixture
def operate():
    """Run the command line of orders beside a shop."""

    def operate(shop, *arguments):
        command = [sys.executable, "-m", "services.orders.cli", *arguments]
        environ = {
            "PATH": os.environ["PATH"],
            "SHOP_DATA_DIR": str(shop.data),
            "AUTH_URL": shop.url_of("auth"),
            "ORDERS_URL": shop.url_of("orders"),
        }
        return subprocess.run(
            command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False
        )

    return operate


@pytest.mark.e2e
@pytest.mark.long
def test_fifty_orders_are_told_once_when_the_subscriber_is_back(open_shop, subscriber, operate):
    shop = open_shop(NOTIFICATIONS_URL=subscriber.url)
    alice = Shopper(shop.url).sign_in()
    Shopper(shop.url).sign_in("admin").set_stock(1, 100)
    subscriber.leave()

    ids = [alice.order([(1, 1)]).json()["id"] for _ in range(50)]
    seen = json.loads(operate(shop, "operations").stdout)
    subscriber.come_back()
    wait_until(lambda: len(subscriber.effects) == 50, 30)

    assert (seen["outbox"]["depth"], seen["dead_letters"]) == (50, [])
    assert seen["breakers"]["notifications"]["state"] in {"open", "half-open"}
    assert Counter(envelope["aggregate_id"] for envelope in subscriber.envelopes).keys() == {*ids}
    assert all(subscriber.told_of(order_id) == ["order.confirmed"] for order_id in ids)

    subscriber.answer = lambda _: 422
    poisoned = alice.order().json()["id"]
    wait_until(lambda: subscriber.envelopes[-1]["aggregate_id"] == poisoned)
    wait_until(lambda: json.loads(operate(shop, "operations").stdout)["outbox"]["dead"] == 1)
    (event_id,) = {e["id"] for e in subscriber.envelopes if e["aggregate_id"] == poisoned}
    subscriber.answer = lambda _: 200
    retried = operate(shop, "retry", event_id)
    wait_until(lambda: subscriber.told_of(poisoned) == ["order.confirmed"])

    assert (retried.returncode, retried.stderr) == (0, "")
