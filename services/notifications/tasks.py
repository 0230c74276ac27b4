"""Take events from a message broker, as a Celery worker.

::

    celery -A services.notifications.tasks worker

A task is acknowledged when its event is committed, so that a worker that dies loses none.  What
can't be read becomes a dead letter of this service, which its operators see: Celery itself would
log it and forget it, and a worker would not survive some of it.
"""

import logging
import time
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import marshmallow as ma
from celery import Celery, signals
from celery.exceptions import Reject
from celery.worker.consumer import Consumer

from chassis import crash, tracing
from chassis import logging as chassis_logging
from chassis.background import Background
from chassis.clock import SystemClock
from chassis.config import ConfigError
from chassis.errors import Invalid, Unavailable
from messaging.celery_transport import TASK
from messaging.consumer import EnvelopeSchema

from .clients import connect
from .config import Config
from .service import PostOffice, as_text, open_post_office

QUEUE: Final = "notifications"
# A task takes milliseconds, and at most the seconds that a database may be busy.
VISIBILITY_SECONDS: Final = 20
SWEEP_SECONDS: Final = 5
# An event that nothing is wrong with goes back to the broker, and not at once.
PAUSE_SECONDS: Final = 1.0

logger = logging.getLogger(__name__)

_ENVELOPE = EnvelopeSchema()


def create_worker(config: Config) -> Celery:
    """Return the Celery application of the worker.

    Raises:
        ConfigError: there is no broker.
    """
    if not config.celery_broker_url:
        raise ConfigError("CELERY_BROKER_URL: is required for a worker")
    app = Celery("notifications", broker=config.celery_broker_url, set_as_current=False)
    app.conf.update(_settings(config.celery_broker_url))
    office = open_post_office(config, connect(config), SystemClock())
    app.conf.worker_consumer = _consumer_of(office)
    app.task(name=TASK)(_task_of(office))
    _follow_the_worker(config, office)
    return app


def _settings(broker_url: str) -> dict[str, Any]:
    # What a killed worker had on Redis comes back after this time; RabbitMQ gives it back at once.
    on_redis = {
        "visibility_timeout": VISIBILITY_SECONDS,
        "unacked_restore_interval": SWEEP_SECONDS,
        "unacked_restore_throttle": 1,
    }
    return {
        "accept_content": ["json"],
        "broker_connection_max_retries": None,
        "broker_connection_retry_on_startup": True,
        "broker_transport_options": on_redis if broker_url.startswith("redis") else {},
        "task_acks_late": True,
        "task_default_queue": QUEUE,
        "task_ignore_result": True,
        "task_reject_on_worker_lost": True,
        # One process, which sends its mails on threads: an event is taken in milliseconds.
        "worker_concurrency": 1,
        "worker_enable_remote_control": False,
        "worker_hijack_root_logger": False,
        "worker_pool": "solo",
        "worker_prefetch_multiplier": 1,
    }


def _task_of(office: PostOffice) -> Callable[[Any], None]:
    def deliver(envelope: Any) -> None:
        """Take an event, or set it aside."""
        try:
            _take(office, envelope)
        except Exception as error:
            # Whatever is wrong with the database or with this code is not to cost an event.
            logger.warning("An event goes back to the broker: %r", error)
            time.sleep(PAUSE_SECONDS)
            raise Reject(error, requeue=True) from error
        crash.here("notifications:after_commit_before_ack")

    return deliver


def _take(office: PostOffice, envelope: Any) -> None:
    try:
        event = _ENVELOPE.load(envelope)
    except ma.ValidationError as error:
        office.set_aside(as_text(envelope), f"It can't be read: {error.messages}")
        return
    tracing.begin({tracing.REQUEST_ID_HEADER: event["request_id"] or ""})
    try:
        office.take(event)
    except Unavailable:
        raise
    except Exception as error:  # noqa: BLE001 - no error of one event is to hold up the others.
        said = error.members if isinstance(error, Invalid) else ""
        why = f"{error!r} {said}"
        logger.warning("%s %s is set aside: %s", event["type"], event["id"], why)
        office.set_aside(as_text(envelope), why, event["id"])


def _consumer_of(office: PostOffice) -> type[Any]:
    class SettingAside(Consumer):  # type: ignore[misc] # Celery has no types.
        """Keep as a dead letter what Celery would drop or die of."""

        def create_task_handler(self, *args: Any, **options: Any) -> Callable[[Any], None]:
            """Return what takes each message, and only hand good ones on."""
            handle = super().create_task_handler(*args, **options)

            def receive(message: Any) -> None:
                why = _fault_of(message)
                if why:
                    self._set_aside(message, why)
                else:
                    handle(message)

            return receive

        def on_decode_error(self, message: Any, exc: Exception) -> None:
            """Set aside what the transport can't read."""
            self._set_aside(message, repr(exc))

        def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
            """Set aside a task whose headers make no sense."""
            self._set_aside(message, repr(exc))

        def _set_aside(self, message: Any, why: str) -> None:
            body = message.body
            text = body.decode("utf-8", "backslashreplace") if isinstance(body, bytes) else body
            logger.warning("A message is set aside: %s", why)
            try:
                office.set_aside(str(text), why)
            except Exception as error:  # noqa: BLE001 - as for an event: it goes back.
                logger.warning("A message goes back to the broker: %r", error)
                time.sleep(PAUSE_SECONDS)
                message.requeue()
                return
            message.ack_log_error(logger, self.connection_errors)

    return SettingAside


def _fault_of(message: Any) -> str:
    """Return what keeps a message from being a task with one event; empty for a good one."""
    try:
        name = message.headers["task"]
        arguments, named, _ = message.decode()
    except Exception as error:  # noqa: BLE001 - whatever the body holds.
        return f"It is no task: {error!r}"
    if name != TASK:
        return f"The task {name} is not known here."
    if named or len(arguments) != 1:
        return "The task takes one event."
    return ""


def _follow_the_worker(config: Config, office: PostOffice) -> None:
    """Log as the service does, and send mails for as long as the worker runs."""
    chores: list[Background] = []

    def configure_logging(**_: Any) -> None:
        chassis_logging.configure(config)

    def start(**_: Any) -> None:
        crash.arm(config.crash_point)
        chore = Background("the relay", office.work, config.relay_seconds)
        office.wake = chore.wake
        chores.append(chore)

    def stop(**_: Any) -> None:
        for chore in chores:
            chore.stop()
        office.database.close()

    # Celery keeps only weak references otherwise.
    signals.setup_logging.connect(configure_logging, weak=False)
    signals.worker_init.connect(start, weak=False)
    signals.worker_shutdown.connect(stop, weak=False)


@cache
def _worker() -> Celery:
    return create_worker(Config.from_environ())


def __getattr__(name: str) -> Any:
    """Make ``app`` when Celery asks for it, so that whoever just imports this needs no broker."""
    if name == "app":
        return _worker()
    raise AttributeError(name)
