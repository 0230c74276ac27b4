"""Test which services the environment puts here, and where."""

import sys

import pytest

from launcher.config import LauncherConfig
from launcher.errors import UnknownService
from launcher.plan import is_installed, make_plan

PRESENT = {"gateway", "auth", "products", "search"}


def a_plan(only=(), **environ):
    config = LauncherConfig.from_environ(environ)
    return make_plan(config, environ, only=only, installed=PRESENT.__contains__)


def names(plan):
    return {service.name for service in plan.services}


def by_name(plan, name):
    return next(service for service in plan.services if service.name == name)


def test_every_installed_service_runs_here_when_nothing_is_set():
    assert names(a_plan()) == PRESENT


def test_a_url_puts_a_service_elsewhere_but_never_the_gateway():
    plan = a_plan(AUTH_URL="http://auth.test", GATEWAY_URL="http://shop.test", PRODUCTS_URL="")

    assert names(plan) == PRESENT - {"auth"}


def test_only_names_exactly_what_runs_whatever_the_urls_say():
    assert names(a_plan(only=["auth"], AUTH_URL="http://auth.test")) == {"auth"}


def test_only_refuses_an_unknown_name_and_offers_the_known_ones():
    with pytest.raises(UnknownService, match="called prodcuts here: choose from gateway, auth"):
        a_plan(only=["prodcuts"])


def test_ports_follow_the_gateways():
    plan = a_plan(PORT="9000")

    assert {service.name: service.port for service in plan.services} == {
        "gateway": 9000,
        "auth": 9001,
        "products": 9003,
        "search": 9007,
    }


def test_only_search_has_a_grpc_port():
    plan = a_plan()

    assert by_name(plan, "search").grpc_port == 9007
    assert by_name(plan, "auth").grpc_port is None


def test_host_moves_the_gateway_and_leaves_the_services_on_loopback():
    plan = a_plan(HOST="0.0.0.0")

    assert by_name(plan, "gateway").host == "0.0.0.0"
    assert by_name(plan, "auth").host == "127.0.0.1"


def test_threads_can_be_set_for_one_service():
    plan = a_plan(AUTH_THREADS="3")

    assert by_name(plan, "auth").threads == "3"
    assert by_name(plan, "products").threads is None


def test_a_folder_without_code_is_no_service(tmp_path, monkeypatch):
    (tmp_path / "gateway").mkdir()
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    # Another test may have imported the real one.
    monkeypatch.delitem(sys.modules, "gateway", raising=False)

    assert not is_installed("gateway")
    assert not is_installed("no-such-service")
