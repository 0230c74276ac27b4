"""Test what the person in front of the terminal is told."""

import os
import select

import pytest

from chassis.testing import FakeClock
from launcher.config import LauncherConfig
from launcher.console import Console
from launcher.loop import Loop
from launcher.plan import make_plan
from launcher.progress import DEMO_USERS, PATIENCE_SECONDS, Progress


@pytest.fixture
def shown():
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    yield Shown(reader, writer)
    for end in (reader, writer):
        os.close(end)


class Shown:
    """Collect what a progress shows."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer

    def after(self, ready, services=("gateway", "auth"), **environ):
        loop = Loop()
        config = LauncherConfig.from_environ(environ)
        plan = make_plan(config, environ, installed=set(services).__contains__)
        progress = Progress(plan, Console(self.writer, loop, {}), loop)
        progress.begin()
        for name in ready:
            progress.record(name)
        return os.read(self.reader, 1 << 16).decode()


def test_each_service_is_reported_and_the_address_comes_last(shown):
    text = shown.after(["auth", "gateway"])

    assert text.index("auth is ready") < text.index("gateway is ready")
    assert text.index("gateway is ready") < text.index("http://localhost:8000/")
    assert "Press Ctrl-C to stop." in text


def test_no_address_is_shown_while_one_is_awaited(shown):
    assert "http://" not in shown.after(["auth"])


def test_demo_users_are_named_in_development_only(shown):
    assert DEMO_USERS in shown.after(["auth", "gateway"])
    assert DEMO_USERS not in shown.after(["auth", "gateway"], SHOP_ENV="production")


def test_a_service_that_came_back_is_reported_without_a_second_invitation(shown):
    text = shown.after(["auth", "gateway", "auth"])

    assert "auth is ready again" in text
    assert text.count("http://localhost:8000/") == 1


def test_a_service_that_gets_ready_while_the_shop_stops_is_not_reported(shown):
    loop = Loop()
    plan = make_plan(LauncherConfig.from_environ({}), {}, installed={"auth"}.__contains__)
    progress = Progress(plan, Console(shown.writer, loop, {}), loop)

    progress.end()
    progress.record("auth")

    assert not select.select([shown.reader], [], [], 0)[0]


def test_a_start_that_takes_long_names_who_is_awaited(shown):
    clock = FakeClock()
    loop = Loop(clock)
    plan = make_plan(LauncherConfig.from_environ({}), {}, installed={"auth"}.__contains__)
    Progress(plan, Console(shown.writer, loop, {}), loop).begin()

    clock.advance(PATIENCE_SECONDS)
    loop.turn(0)

    assert os.read(shown.reader, 4096).endswith(b"still waiting for auth\n")


def test_without_a_gateway_there_is_nothing_to_click(shown):
    text = shown.after(["auth"], services=("auth",))

    assert "Ready after" in text
    assert "http://" not in text
