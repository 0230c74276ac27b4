"""Send mails by way of real brokers: RabbitMQ and Redis."""

import json

import pytest
from kombu import Connection, Exchange, Queue
from sqlalchemy.orm import DeclarativeBase

from chassis.clock import SystemClock
from chassis.errors import Unavailable
from messaging import outbox
from messaging.celery_transport import TASK
from messaging.outbox import OutboxColumns, Relay
from services.notifications.tests.samples import an_event
from storage.database import Database
from tests.services.mail_worker import QUEUE, an_order, new_transport

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]


class Base(DeclarativeBase):
    pass


class Waiting(OutboxColumns, Base):
    __tablename__ = "waiting"


@pytest.fixture
def outgoing(tmp_path):
    """Give the outbox of a publisher."""
    database = Database(f"sqlite:///{tmp_path}/outbox.sqlite3")
    database.create_all(Base.metadata)
    yield database
    database.close()


def publish(database, count):
    """Store some events of orders, and return their ids."""
    now = SystemClock().now()
    with database.write() as session:
        return [
            outbox.publish(session, Waiting, "order.confirmed", f"ord_{n}", an_order(n), now)
            for n in range(count)
        ]


def send_raw(broker, body, *, headers=None, content_type="application/json"):
    """Put a message into the queue that no publisher of ours would send."""
    exchange = Exchange(QUEUE, "direct")
    with Connection(broker.url) as connection, connection.Producer() as producer:
        producer.publish(
            body,
            exchange=exchange,
            routing_key=QUEUE,
            declare=[Queue(QUEUE, exchange, QUEUE)],
            headers=headers or {},
            content_type=content_type,
            content_encoding="utf-8",
            delivery_mode=2,
        )


def task(name=TASK, **headers):
    return {"task": name, "id": "some-id", "lang": "py", **headers}


def ids_of(worker):
    """Return the ids of the events whose mails are there."""
    return sorted(path.stem.partition("-")[2] for path in worker.files)


def test_fifty_events_wait_for_the_broker_and_have_one_mail_each(
    queue, transport, outgoing, worker, within
):
    relay = Relay(outgoing, Waiting, transport, SystemClock())
    ids = publish(outgoing, 50)

    def waiting():
        with outgoing.read() as session:
            return outbox.waiting(session, Waiting)[0]

    def drained():
        relay.turn()
        return waiting() == 0

    queue.stop()
    relay.turn()
    relay.turn()
    assert waiting() == 50

    queue.start()
    assert within(30, drained) < 30
    for event_id in 2 * ids:
        transport.deliver(an_event(id=event_id))
    worker.start()
    within(100, lambda: len(worker.files) == 50)
    within(60, lambda: queue.depth(QUEUE) == 0)
    worker.stop()

    assert ids_of(worker) == sorted(ids)
    assert worker.waiting() == worker.letters() == []


def test_broker_that_dies_is_away_and_not_the_events_fault(queue, transport):
    transport.deliver(an_event())
    queue.stop()
    try:
        with pytest.raises(Unavailable):
            transport.deliver(an_event())
    finally:
        queue.start()

    # It was confirmed, and is still there.
    assert queue.depth(QUEUE) == 1


def test_queue_that_somebody_deleted_is_made_again(queue, transport):
    transport.deliver(an_event())
    queue.empty(QUEUE)

    transport.deliver(an_event())

    assert queue.depth(QUEUE) == 1


def test_worker_goes_on_when_the_broker_is_back(queue, transport, worker, within):
    worker.start()
    first, second = an_event("account.opened"), an_event("account.opened")
    transport.deliver(first)
    within(30, lambda: len(worker.files) == 1)

    queue.restart()
    within(30, lambda: delivered(queue, second))
    within(30, lambda: len(worker.files) == 2)

    assert ids_of(worker) == sorted([first["id"], second["id"]])


def delivered(broker, event):
    try:
        new_transport(broker).deliver(event)
    except Unavailable:
        return False
    return True


def test_poison_is_set_aside_and_holds_nobody_up(queue, transport, worker, within):
    good = [an_event("account.opened") for _ in range(20)]
    broken = an_event(data={"user_id": "broken-1"})
    newer, wrong = an_event(version=2), an_event(data={"items": 7})
    unusable = an_event("account.opened", data={"email": "nobody@exa mple"})
    body = json.dumps([[an_event()], {}, {}])
    send_raw(queue, body[:-20], headers=task())
    send_raw(queue, body, headers=task("events.unheard_of"))
    send_raw(queue, json.dumps([[], {}, {}]), headers=task())
    send_raw(queue, json.dumps([[1], {}, {}]), headers=task())
    send_raw(queue, json.dumps([[an_event()], {"x": 1}, {}]), headers=task())
    send_raw(queue, "hello", content_type="text/plain")
    send_raw(queue, b"\x80\x04N.", headers=task(), content_type="application/x-python-serialize")
    send_raw(queue, json.dumps([[an_event()], {}, {}]), headers=task(eta="tomorrow"))
    send_raw(queue, json.dumps([[{"id": "x" * 10_000_000}], {}, {}]), headers=task())
    for event in (broken, newer, wrong, unusable, *good):
        transport.deliver(event)

    worker.start()
    within(30, lambda: worker.files)
    took = within(10, lambda: len(worker.files) == 20)
    within(60, lambda: len(worker.letters()) == 13)
    within(10, lambda: queue.depth(QUEUE) == 0)

    assert took < 5
    assert worker.process.poll() is None
    letters = {letter.id: letter for letter in worker.letters()}
    assert {letters[each["id"]].attempts for each in (newer, wrong, unusable)} == {1}
    assert letters[broken["id"]].attempts == 5
    assert all(letter.last_error for letter in letters.values())
    assert max(len(letter.payload) for letter in letters.values()) < 600_000
    assert worker.waiting() == []


@pytest.mark.parametrize("when", ["before the server has it", "after the event is kept"])
def test_worker_that_is_killed_loses_nothing_and_sends_nothing_twice(
    queue, transport, mailing_worker, mail_server, within, when
):
    event, worker = an_event("account.opened"), mailing_worker
    if when == "before the server has it":
        mail_server.held.set()
        worker.start()
        transport.deliver(event)
        within(30, mail_server.waiting.is_set)
        worker.kill()
        mail_server.held.clear()
    else:
        worker.start(CRASH_POINT="notifications:after_commit_before_ack")
        transport.deliver(event)
        assert worker.wait() == 137
    mail_server.waiting.clear()

    worker.start()
    took = within(60, lambda: mail_server.accepted and not worker.waiting())
    # What comes again, comes within the time that the broker waits for a worker.
    transport.deliver(event)
    within(60, lambda: queue.depth(QUEUE) + queue.unacknowledged() == 0)

    assert took < 40
    assert [mail["Message-ID"] for mail in mail_server.accepted] == [f"<{event['id']}@localhost>"]


def test_mails_of_one_order_come_in_order(transport, mailing_worker, mail_server, within):
    kinds = ("order.confirmed", "order.cancelled")
    events = [an_event(kind, aggregate_id=f"ord_{n}") for n in range(10) for kind in kinds]
    for event in events:
        transport.deliver(event)

    mailing_worker.start()
    within(40, lambda: len(mail_server.accepted) == 20)

    order = [mail["Message-ID"].strip("<>").partition("@")[0] for mail in mail_server.accepted]
    for first, second in zip(events[::2], events[1::2], strict=True):
        assert order.index(first["id"]) < order.index(second["id"])
