"""Let a relay deliver from a real database file, whatever the subscriber does."""

import json
import threading
import time
from collections import Counter
from itertools import count, pairwise

import pytest
from sqlalchemy import delete, update
from sqlalchemy.orm import DeclarativeBase

from chassis import tracing
from chassis.errors import BadUpstream, DeadlineExceeded, Unavailable
from chassis.testing import FakeClock
from messaging import outbox
from messaging.outbox import EventRefused, OutboxColumns, Relay
from storage.database import Database
from tests.waiting import wait_until


class Base(DeclarativeBase):
    pass


class Waiting(OutboxColumns, Base):
    __tablename__ = "waiting"


class Subscriber:
    """Take events, except where ``errors`` names what to raise for a type."""

    def __init__(self):
        self.errors = {}
        self.seen = []
        self.taken = []

    def deliver(self, envelope):
        self.seen.append(envelope["type"])
        if error := self.errors.get(envelope["type"]):
            raise error
        self.taken.append(envelope)

    @property
    def types(self):
        return [envelope["type"] for envelope in self.taken]


@pytest.fixture
def url(databases, tmp_path):
    with databases.lend("outbox", tmp_path) as url:
        yield url


@pytest.fixture
def database(url):
    database = Database(url)
    database.create_all(Base.metadata)
    yield database
    database.close()


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def subscriber():
    return Subscriber()


@pytest.fixture
def relay(database, subscriber, clock):
    return Relay(database, Waiting, subscriber, clock, random=lambda: 1.0)


@pytest.fixture
def publish(database, clock):
    def publish(kind, aggregate_id="a", data=None):
        with database.write() as session:
            return outbox.publish(session, Waiting, kind, aggregate_id, data or {}, clock.now())

    return publish


@pytest.fixture
def waiting(database):
    """Return how many events wait."""

    def waiting():
        with database.read() as session:
            return outbox.waiting(session, Waiting)[0]

    return waiting


@pytest.fixture
def dead(database):
    """Return the types of the dead letters."""

    def dead():
        with database.read() as session:
            total, letters = outbox.dead_letters(session, Waiting, 10)
        assert total == len(letters)
        return [letter.type for letter in letters]

    return dead


def test_envelope_tells_what_happened_to_what_and_for_which_request(relay, publish, subscriber):
    tracing.begin({"X-Request-Id": "request-1"})

    event_id = publish("thing.made", "thing-1", {"size": 3})
    relay.turn()

    assert subscriber.taken == [
        {
            "id": event_id,
            "type": "thing.made",
            "version": 1,
            "aggregate_id": "thing-1",
            "occurred_at": "2030-01-01T00:00:00+00:00",
            "request_id": "request-1",
            "data": {"size": 3},
        }
    ]


def test_delivery_belongs_to_the_request_that_caused_the_event(database, publish, clock):
    class Noting:
        def deliver(self, envelope):
            noted.append(tracing.outgoing_headers()["X-Request-Id"])

    noted = []
    tracing.begin({"X-Request-Id": "request-2"})
    publish("made")
    tracing.begin({})

    Relay(database, Waiting, Noting(), clock).turn()

    assert noted == ["request-2"]


def test_event_is_gone_with_the_transaction_that_stored_it(database, clock, waiting):
    with database.write() as session:
        outbox.publish(session, Waiting, "made", "a", {}, clock.now())
        session.rollback()

    assert waiting() == 0


def test_what_was_delivered_is_deleted_and_not_delivered_again(relay, publish, subscriber, waiting):
    publish("made")

    relay.turn()
    relay.turn()

    assert subscriber.types == ["made"]
    assert waiting() == 0


def test_events_of_an_aggregate_are_delivered_in_order(relay, publish, subscriber):
    kinds = [f"step-{number}" for number in range(30)]
    for kind in kinds:
        publish(kind)

    relay.turn()

    assert subscriber.types == kinds


def test_later_event_waits_for_an_earlier_one_and_others_do_not(
    relay, publish, subscriber, clock, waiting
):
    subscriber.errors["made"] = BadUpstream()
    publish("made", "a")
    publish("changed", "a")
    publish("changed", "b")

    relay.turn()
    assert [event["aggregate_id"] for event in subscriber.taken] == ["b"]

    subscriber.errors.clear()
    clock.advance(2)
    relay.turn()
    assert subscriber.types == ["changed", "made", "changed"]
    assert waiting() == 0


def test_pause_grows_between_tries_up_to_its_limit(relay, publish, subscriber, clock, dead):
    subscriber.errors["made"] = BadUpstream()
    publish("made")
    tried_at, started = [], clock.monotonic()

    for _ in range(400):
        before = len(subscriber.seen)
        relay.turn()
        if len(subscriber.seen) > before:
            tried_at.append(clock.monotonic() - started)
        clock.advance(0.25)

    assert [later - earlier for earlier, later in pairwise(tried_at)] == [2, 4, 8, 10]
    assert dead() == ["made"]


def test_jitter_halves_a_pause_at_most(database, publish, subscriber, clock):
    subscriber.errors["made"] = BadUpstream()
    publish("made")
    relay = Relay(database, Waiting, subscriber, clock, random=lambda: 0.0)

    relay.turn()
    clock.advance(0.9)
    relay.turn()
    clock.advance(0.2)
    relay.turn()

    assert len(subscriber.seen) == 2


def test_what_failed_before_comes_after_what_was_due_first(relay, publish, subscriber, clock):
    subscriber.errors["poison"] = BadUpstream()
    publish("poison", "a")
    relay.turn()
    clock.advance(1)
    publish("made", "b")
    clock.advance(2)
    relay.at_once = 1

    relay.turn()

    assert subscriber.seen == ["poison", "made", "poison"]


@pytest.mark.parametrize("error", [BadUpstream(), ZeroDivisionError(), KeyError("data")])
def test_fifth_failure_makes_a_dead_letter_that_holds_nobody_up(
    relay, publish, subscriber, clock, dead, waiting, error
):
    subscriber.errors["poison"] = error
    publish("poison", "a")
    publish("made", "a")

    for _ in range(20):
        relay.turn()
        clock.advance(10)

    assert Counter(subscriber.seen) == {"poison": outbox.MAX_TRIES, "made": 1}
    assert (dead(), waiting()) == (["poison"], 0)


def test_refusal_makes_a_dead_letter_at_once(relay, publish, subscriber, dead):
    subscriber.errors["poison"] = EventRefused("of another version")
    publish("poison")
    publish("made")

    relay.turn()

    assert Counter(subscriber.seen) == {"poison": 1, "made": 1}
    assert dead() == ["poison"]


def test_event_that_is_too_long_is_not_even_sent(relay, publish, subscriber, dead):
    publish("long", data={"text": "x" * 10_000_000})
    publish("made")

    relay.turn()

    assert (subscriber.seen, dead()) == (["made"], ["long"])


def test_event_that_can_not_be_read_harms_only_itself(
    relay, publish, subscriber, database, clock, dead
):
    broken = publish("broken")
    publish("made", "b")
    with database.write() as session:
        session.execute(update(Waiting).where(Waiting.id == broken).values(payload='{"id": '))

    for _ in range(outbox.MAX_TRIES):
        relay.turn()
        clock.advance(10)

    assert (subscriber.types, dead()) == (["made"], ["broken"])


@pytest.mark.parametrize("error", [Unavailable("refused"), DeadlineExceeded()])
def test_subscriber_that_is_away_makes_nothing_dead_however_long(
    relay, publish, subscriber, clock, dead, waiting, error
):
    subscriber.errors = {"made": error, "changed": error}
    publish("made")
    publish("changed")
    for _ in range(50):
        relay.turn()
        clock.advance(60)
    assert (set(subscriber.seen), dead(), waiting()) == ({"made"}, [], 2)

    subscriber.errors.clear()
    relay.turn()

    assert subscriber.types == ["made", "changed"]
    assert waiting() == 0


def test_time_away_is_not_counted_with_the_failures(relay, publish, subscriber, clock, dead):
    publish("made")
    for error in (BadUpstream(), Unavailable(), BadUpstream(), BadUpstream(), BadUpstream()):
        subscriber.errors["made"] = error
        relay.turn()
        clock.advance(10)

    assert dead() == []


def test_one_event_probes_while_nobody_takes_anything(relay, publish, subscriber, waiting):
    for number in range(50):
        publish("made", f"aggregate-{number}")
    subscriber.errors["made"] = Unavailable()
    relay.turn()
    assert len(subscriber.seen) == outbox.BATCH

    for _ in range(5):
        relay.turn()
    assert len(subscriber.seen) == outbox.BATCH + 5

    subscriber.errors.clear()
    relay.turn()
    assert waiting() == outbox.BATCH + 5  # They were tried just now.


def test_slow_events_do_not_hold_the_others_up(database, publish, clock):
    class Hanging:
        """Hang over some events until the others are through."""

        def deliver(self, envelope):
            if envelope["type"] == "slow":
                waited.append(through.wait(2))
                raise DeadlineExceeded
            if next(taken) == 7:
                through.set()

    taken, waited, through = count(), [], threading.Event()
    for number in range(3):
        publish("slow", f"slow-{number}")
    for number in range(8):
        publish("made", f"quick-{number}")

    Relay(database, Waiting, Hanging(), clock).turn()

    assert waited == [True] * 3


def test_two_relays_deliver_each_event_once_and_in_order(database, publish, subscriber, clock):
    for number in range(40):
        for step in ("first", "second"):
            publish(step, f"aggregate-{number}")
    relays = [Relay(database, Waiting, subscriber, clock) for _ in range(2)]
    together = threading.Barrier(2)

    def run(relay):
        together.wait()
        relay.turn()

    threads = [threading.Thread(target=run, args=(relay,)) for relay in relays]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    steps = {}
    for envelope in subscriber.taken:
        steps.setdefault(envelope["aggregate_id"], []).append(envelope["type"])
    assert len(steps) == 40
    assert all(order == ["first", "second"] for order in steps.values())


def test_two_relays_that_have_seen_the_same_event_do_not_both_claim_it(
    relay, database, publish, subscriber, clock
):
    class Rival:
        """Let the other relay have its turn between this one's look and its claim."""

        def __getattr__(self, name):
            return getattr(database, name)

        def write(self):
            if not self.__dict__.setdefault("done", False):
                self.done = True
                relay.turn()
            return database.write()

    publish("made")

    Relay(Rival(), Waiting, subscriber, clock).turn()

    assert subscriber.types == ["made"]


def test_event_of_a_relay_that_died_is_delivered_again_after_its_lease(
    relay, publish, subscriber, clock, monkeypatch
):
    class Died(BaseException):
        pass

    def die(point):
        assert point == "relay:after_deliver_before_mark"
        raise Died

    publish("made")
    publish("changed")
    with monkeypatch.context() as crashing:
        crashing.setattr(outbox.crash, "here", die)
        with pytest.raises(Died):
            relay.turn()

    relay.turn()
    assert subscriber.types == ["made"]
    clock.advance(outbox.LEASE_SECONDS)
    relay.turn()

    assert subscriber.types == ["made", "made", "changed"]
    assert subscriber.taken[0]["id"] == subscriber.taken[1]["id"]


def test_no_transaction_is_open_during_a_delivery(database, publish, clock, waiting):
    class Writing:
        def deliver(self, envelope):
            with database.write() as session:
                session.execute(delete(Waiting).where(Waiting.type == "other"))

    publish("made")
    publish("other", "b")

    Relay(database, Waiting, Writing(), clock).turn()

    assert waiting() == 0


def test_dead_letter_says_why_and_is_delivered_when_revived(
    relay, publish, subscriber, database, clock, dead
):
    subscriber.errors["made"] = EventRefused("unknown version")
    event_id = publish("made")
    relay.turn()
    with database.read() as session:
        (letter,) = outbox.dead_letters(session, Waiting, 10)[1]
    with database.write() as session:
        revived = outbox.revive(session, Waiting, event_id, clock.now())
        again = outbox.revive(session, Waiting, event_id, clock.now())
    subscriber.errors.clear()
    relay.turn()

    assert (letter.attempts, letter.died_at) == (1, clock.now())
    assert "unknown version" in letter.last_error
    assert (revived, again, dead(), subscriber.types) == (True, False, [], ["made"])


def test_revived_event_has_all_its_tries_again(relay, publish, subscriber, database, clock, dead):
    subscriber.errors["made"] = BadUpstream()
    event_id = publish("made")
    for _ in range(outbox.MAX_TRIES):
        relay.turn()
        clock.advance(10)
    assert dead() == ["made"]
    with database.write() as session:
        outbox.revive(session, Waiting, event_id, clock.now())

    relay.turn()

    assert dead() == []


def test_idle_turn_takes_no_write_lock(relay, database, url):
    other = Database(url)
    started = time.monotonic()
    with other.write():
        relay.turn()
    other.close()

    assert time.monotonic() - started < 1


def test_waiting_tells_since_when(database, publish, clock):
    with database.read() as session:
        assert outbox.waiting(session, Waiting) == (0, None)
    first = clock.now()
    publish("made")
    clock.advance(30)
    publish("changed")

    with database.read() as session:
        assert outbox.waiting(session, Waiting) == (2, first)


def test_payload_is_plain_json_text(database, publish):
    publish("made", data={"name": "Zoë"})

    with database.read() as session:
        payload = session.query(Waiting).one().payload

    assert json.loads(payload)["data"] == {"name": "Zoë"}


def test_delivered_event_is_marked_before_slower_ones_are_through(database, publish, clock, dead):
    class Slow:
        """Hang over one event until the other is gone."""

        def deliver(self, envelope):
            if envelope["type"] == "slow":
                wait_until(lambda: stored(database) == ["slow"], 2)

    publish("slow", "a")
    publish("quick", "b")

    Relay(database, Waiting, Slow(), clock).turn()

    assert (stored(database), dead()) == ([], [])


def stored(database):
    with database.read() as session:
        return [event.type for event in session.query(Waiting)]


def test_batch_and_lease_can_be_another(database, publish, subscriber, clock):
    subscriber.errors["made"] = Unavailable()
    for number in range(5):
        publish("made", f"aggregate-{number}")
    relay = Relay(database, Waiting, subscriber, clock, batch=2, lease_seconds=40)

    assert len(relay._claim()) == 2
    clock.advance(39)
    assert len(relay._claim()) == 2
    assert len(relay._claim()) == 1
    assert relay._claim() == ()
    clock.advance(1)
    assert len(relay._claim()) == 2


@pytest.mark.parametrize(("asked", "waits"), [(30, 30), (9999, outbox.MAX_ASKED_SECONDS)])
def test_whoever_asks_for_a_pause_gets_it_up_to_a_minute(
    relay, publish, subscriber, clock, asked, waits
):
    publish("made")
    subscriber.errors["made"] = Unavailable(retry_after_seconds=asked)
    relay.turn()

    clock.advance(waits - 1)
    relay.turn()
    assert len(subscriber.seen) == 1

    clock.advance(1)
    relay.turn()
    assert len(subscriber.seen) == 2


def test_event_that_came_from_elsewhere_keeps_its_id(relay, database, subscriber, clock):
    envelope = {"id": "event-1", "type": "made", "aggregate_id": "a", "request_id": None}
    with database.write() as session:
        outbox.keep(session, Waiting, {**envelope, "data": {}}, clock.now())

    relay.turn()

    assert subscriber.taken == [{**envelope, "data": {}}]


@pytest.mark.parametrize("text", ["{", "\x00", "\ud800 \u2603", "x" * 10_000_000])
def test_what_is_no_event_is_buried_and_can_be_tried_again(relay, database, clock, dead, text):
    with database.write() as session:
        outbox.bury(session, Waiting, "event-1", text, "It is no event." * 100, clock.now())
    assert dead() == ["unreadable"]

    with database.write() as session:
        assert outbox.revive(session, Waiting, "event-1", clock.now())
    for _ in range(outbox.MAX_TRIES):
        relay.turn()
        clock.advance(20)

    assert dead() == ["unreadable"]
