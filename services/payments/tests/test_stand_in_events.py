"""Let the stand-in report to the service itself, over a real socket."""

import logging
import threading

import pytest
from sqlalchemy import select
from werkzeug.serving import make_server

from services.payments import service
from services.payments.config import DEVELOPMENT_WEBHOOK_SECRET, WEBHOOK_PATH
from services.payments.models import WebhookEvent
from services.payments.stand_in_events import EventSender

from .fakes import an_instruction


@pytest.fixture
def server(app):
    """Serve the application on a free port, and keep the statuses that it answers with."""
    answered = []
    app.after_request(lambda response: answered.append(response.status_code) or response)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.port}{WEBHOOK_PATH}", answered
    server.shutdown()
    thread.join()
    server.server_close()


def send(url, clock, operation, secret=DEVELOPMENT_WEBHOOK_SECRET):
    EventSender(url, secret, clock).send_twice(operation).join(10)


def test_event_arrives_twice_and_has_one_effect(server, orders, stand_in, till, clock):
    url, answered = server
    payment_id = orders.authorise(token="tok_error_after_charge").json["id"]
    (operation,) = stand_in.operations("ord_1")

    send(url, clock, operation)

    with till.database.read() as session:
        events = session.scalars(select(WebhookEvent.id)).all()
    assert answered[-2:] == [200, 200]
    assert events == [f"evt_{operation.id}"]
    assert service.find_payment(till, payment_id).status == "authorised"


def test_event_signed_with_another_secret_is_refused(server, orders, stand_in, till, clock):
    url, answered = server
    payment_id = orders.authorise(token="tok_error_after_charge").json["id"]

    send(url, clock, stand_in.operations("ord_1")[0], "x" * 32)

    assert answered[-2:] == [400, 400]
    assert service.find_payment(till, payment_id).status == "pending"


def test_event_that_nobody_takes_is_given_up(stand_in, clock, caplog):
    operation = stand_in.authorise(an_instruction(), "tok_ok")

    send("http://127.0.0.1:1/nobody", clock, operation)

    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
