"""Note what matters for security."""

import logging

import pytest
from flask import Flask

from chassis.config import ServiceConfig
from chassis.errors import NotFound
from chassis.inbound import audit
from chassis.inbound.app import create_flask
from chassis.inbound.identity import requires_role, requires_user
from chassis.testing import TokenMint


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


@pytest.fixture
def client(tmp_path):
    mint = TokenMint()
    config = ServiceConfig.from_environ({"SHOP_DATA_DIR": str(tmp_path)})
    app = create_flask("shop", config, key_set=mint)

    @app.get("/things/<name>")
    @requires_user
    def show(name):
        raise NotFound

    @app.post("/things")
    @requires_role("operator")
    def make():
        return ""

    @app.get("/shelf")
    def shelf():
        raise NotFound

    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {mint.user('alice')}"
    return client


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [("POST", "/things", "forbidden"), ("GET", "/things/of-bob", "not_found")],
)
def test_what_somebody_may_not_do_or_see_is_on_the_trail(client, noted, method, path, code):
    client.open(path, method=method)

    (line,) = noted()
    expected = {"event": "access", "outcome": "refused", "user": "alice", "code": code}
    assert expected.items() <= line.items()
    assert "of-bob" not in line["route"]


def test_what_another_site_had_a_browser_send_is_on_the_trail(client, noted):
    del client.environ_base["HTTP_AUTHORIZATION"]

    client.post("/things", headers={"Sec-Fetch-Site": "cross-site"})

    (line,) = noted()
    assert (line["code"], line["user"]) == ("cross_site_request", None)


def test_what_nobody_can_see_is_not(client, noted):
    client.get("/shelf")
    client.get("/nowhere")

    assert noted() == []
