"""Give tests real brokers, and mail workers that listen to them."""

import time
from collections.abc import Callable, Iterator

import pytest

from messaging.celery_transport import CeleryTransport
from tests.brokers import KINDS, Broker, open_broker
from tests.mail_server import MailServer
from tests.services.mail_worker import QUEUE, Neighbours, Worker, new_transport
from tests.waiting import wait_until


@pytest.fixture(
    scope="session",
    params=[pytest.param(kind, marks=pytest.mark.xdist_group(kind)) for kind in KINDS],
)
def broker(request, tmp_path_factory) -> Iterator[Broker]:
    """Run a broker for all tests of its kind; a test that stops it starts it again."""
    with open_broker(request.param, tmp_path_factory.mktemp("broker") / request.param) as broker:
        yield broker


@pytest.fixture
def queue(broker) -> Iterator[Broker]:
    """Give the broker without messages, and leave it so."""
    broker.empty(QUEUE)
    yield broker
    broker.empty(QUEUE)


@pytest.fixture
def transport(queue) -> CeleryTransport:
    return new_transport(queue)


@pytest.fixture(scope="session")
def neighbours() -> Iterator[Neighbours]:
    neighbours = Neighbours()
    yield neighbours
    neighbours.close()


@pytest.fixture
def worker(tmp_path, queue, neighbours) -> Iterator[Worker]:
    """Give a worker that is not started, whose mails are files."""
    worker = Worker(tmp_path, queue, neighbours)
    yield worker
    worker.close()


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


@pytest.fixture
def mailing_worker(tmp_path, queue, neighbours, mail_server) -> Iterator[Worker]:
    """Give a worker that is not started, and sends to the mail server."""
    settings = {"SMTP_URL": f"smtp://127.0.0.1:{mail_server.port}", "SMTP_SECONDS": "3"}
    worker = Worker(tmp_path, queue, neighbours, **settings)
    yield worker
    worker.close()


@pytest.fixture
def within() -> Callable[..., float]:
    """Wait until something is true, and return how many seconds that took."""

    def within(seconds: float, holds: Callable[[], object]) -> float:
        began = time.monotonic()
        wait_until(holds, seconds, every_seconds=0.05)
        return time.monotonic() - began

    return within
