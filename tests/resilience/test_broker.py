"""Publish to a broker in memory, as `make test-services` does to real ones."""

import itertools
import subprocess
import sys
from pathlib import Path

import pytest
from kombu import Connection

from chassis.outbound.breaker import CircuitBreakerGuard
from messaging import transports
from messaging.celery_transport import TASK, CeleryTransport

ROOT = Path(__file__).parents[2]
QUEUES = (f"queue-{number}" for number in itertools.count())


def test_event_is_a_durable_task_with_the_envelope_alone():
    queue = next(QUEUES)
    transport = CeleryTransport("memory://", queue, CircuitBreakerGuard("b", transports.BREAKER))

    transport.deliver({"id": "event-1", "type": "thing.made"})

    with Connection("memory://") as connection:
        message = connection.SimpleQueue(queue).get(timeout=1)
    assert (message.headers["task"], message.headers["id"]) == (TASK, "event-1")
    assert message.payload[:2] == [[{"id": "event-1", "type": "thing.made"}], {}]
    assert message.properties["delivery_mode"] == 2


@pytest.mark.parametrize("service", ["orders", "notifications"])
def test_nothing_of_celery_is_imported_without_a_broker(service):
    program = (
        f"import sys, services.{service} as o\n"
        "print([m for m in sys.modules if m.partition('.')[0] in ('celery', 'kombu', 'redis')])"
    )

    printed = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout

    assert printed == "[]\n"
