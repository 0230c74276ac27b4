"""Note what matters for security."""

import logging

import pytest
from flask import Flask

from chassis.inbound import audit


@pytest.fixture
def noted(caplog):
    caplog.set_level(logging.ERROR)
    caplog.handler.setLevel(logging.NOTSET)
    return lambda: [line.__dict__ for line in caplog.records if line.name == "audit"]


def test_event_says_who_from_where_and_how_it_ended(noted):
    incoming = {"X-Forwarded-For": "203.0.113.7"}
    with Flask("shop").test_request_context(headers=incoming):
        audit.record("login.password", "refused", user="user-1", session_id="session-1")

    (line,) = noted()
    expected = {"event": "login.password", "outcome": "refused", "user": "user-1"}
    expected |= {"source": "203.0.113.7", "session_id": "session-1"}
    assert expected.items() <= line.items()


def test_who_is_connected_is_the_source_where_no_gateway_says_more(noted):
    with Flask("shop").test_request_context(environ_base={"REMOTE_ADDR": "198.51.100.1"}):
        audit.record("login.password", "allowed")

    assert noted()[0]["source"] == "198.51.100.1"


def test_chore_has_no_source(noted):
    audit.record("keys.rotated", "done")

    assert noted()[0]["source"] is None
