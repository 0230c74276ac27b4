"""Hand events to a message broker as Celery tasks, for the relay of :mod:`messaging.outbox`.

Importing this imports Celery, so that only who has a broker does.  Once the broker has confirmed
an event, the task queue answers for it: a worker that can't take it has to set it aside itself.
"""

from collections.abc import Mapping
from typing import Any

from amqp.exceptions import AMQPError
from celery import Celery
from kombu.exceptions import KombuError

from chassis.errors import Unavailable
from chassis.outbound.breaker import CircuitBreakerGuard, Outcome

TASK = "events.deliver"
# Seconds; a broker that is away must not hold the relay up.
_TIMEOUTS = {"socket_connect_timeout": 0.5, "socket_timeout": 1.0}
_RETRY = {"max_retries": 1, "interval_start": 0.1, "interval_max": 0.1}


class CeleryTransport:
    """Publish each event as a task that takes the envelope."""

    def __init__(self, broker_url: str, queue: str, breaker: CircuitBreakerGuard) -> None:
        """Connect to nothing yet; workers listen to ``queue``."""
        self._queue = queue
        self._breaker = breaker
        self._app = Celery(broker=broker_url, set_as_current=False)
        # Without ``confirm_publish``, RabbitMQ may lose what it has just been sent.
        options = {"confirm_publish": True, **_TIMEOUTS}
        self._app.conf.update(broker_transport_options=options, broker_connection_timeout=0.5)
        # RabbitMQ confirms and drops what it has no queue for, unless it is ``mandatory``; and each
        # connection declares the queue once, so that an old one would never bring it back.
        self._app.conf.broker_pool_limit = None

    def deliver(self, envelope: Mapping[str, Any]) -> None:
        """Return once the broker has the event.

        Raises:
            Unavailable: the broker is away, or has nowhere to put it.
        """
        with self._breaker.acquire() as permit:
            try:
                self._app.send_task(
                    TASK, [envelope], task_id=envelope["id"], queue=self._queue,
                    ignore_result=True, retry_policy=_RETRY, mandatory=True,
                )  # fmt: skip
            except (AMQPError, KombuError, OSError) as error:
                permit.outcome = Outcome.FAILED
                raise Unavailable("The message broker is away.") from error
            permit.outcome = Outcome.SUCCEEDED
