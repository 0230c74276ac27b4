import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway import pages
from gateway.tests.conftest import SERVICES

STATIC = Path(pages.__file__).with_name("static")
HTML = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/plain", None])
def test_programs_are_welcomed_with_json(gateway, accept):
    response = gateway.get("/", {"Accept": accept} if accept else {})

    assert response.get_json()["message"] == "Hello, this is a Flask Microservice"
    assert response.get_json()["links"]["documentation"] == "/docs"
    assert response.headers["Vary"] == "Accept"


def test_browsers_are_welcomed_with_a_page(gateway):
    response = gateway.get("/", HTML)

    assert (response.status_code, response.mimetype) == (200, "text/html")
    assert "The shop is open" in response.get_data(as_text=True)


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_page_needs_nothing_from_elsewhere_and_nothing_inline(gateway, path):
    page = gateway.get(path, HTML).get_data(as_text=True)

    assert re.findall(r"https?://(?!www\.w3\.org)", page) == []
    assert re.findall(r"<style|style=|<script(?! src=)|\son\w+=", page) == []
    for local in re.findall(r'(?:src|href)="(/static/[^"]+)"', page):
        assert gateway.get(local).status_code == 200


@pytest.mark.parametrize("path", sorted(path.name for path in STATIC.iterdir()))
def test_static_files_may_be_kept_for_an_hour(gateway, path):
    response = gateway.get(f"/static/{path}")
    again = gateway.get(f"/static/{path}", {"If-None-Match": response.headers["ETag"]})

    assert response.headers["Cache-Control"] == "public, max-age=3600"
    assert response.get_data() == (STATIC / path).read_bytes()
    assert (again.status_code, again.get_data()) == (304, b"")


def test_demo_users_are_offered_in_development_only(make_gateway):
    production = make_gateway(SHOP_ENV="production", ALLOWED_HOSTS="localhost")

    assert 'value="alice"' in make_gateway().get("/", HTML).get_data(as_text=True)
    assert 'value="alice"' not in production.get("/", HTML).get_data(as_text=True)


def test_every_documented_call_is_listed_for_people(gateway):
    document = gateway.get("/openapi.json").get_json()
    page = gateway.get("/docs", HTML).get_data(as_text=True)

    assert document["paths"]
    assert [path for path in document["paths"] if f"<code>{path}</code>" not in page] == []


def test_status_shows_each_service(gateway):
    services = gateway.get("/status").get_json()["services"]

    assert sorted(services) == SERVICES
    assert services["auth"] == {
        "breaker": "closed", "in_flight": 0, "latency_ms": {"p50": None, "p99": None},
        "stale_answers": 0, "transitions": [],
    }  # fmt: skip


def test_status_tells_how_long_answers_take_and_what_became_of_the_breaker(gateway, stub):
    gateway.get("/greet/Alice")
    stub.behaviour = lambda exchange: exchange.reset()
    for _ in range(6):
        gateway.get("/greet/Alice")

    greetings = gateway.get("/status").get_json()["services"]["greetings"]

    assert greetings["breaker"] == "open"
    assert 0 < greetings["latency_ms"]["p50"] <= greetings["latency_ms"]["p99"] < 1000
    (transition,) = greetings["transitions"]
    assert (transition["source"], transition["target"]) == ("closed", "open")
    assert "failures in a row" in transition["why"]
    assert abs(datetime.fromisoformat(transition["at"]) - datetime.now(UTC)) < timedelta(seconds=5)


def test_status_is_a_page_for_people(gateway, stub):
    stub.behaviour = lambda exchange: exchange.reset()
    for _ in range(6):
        gateway.get("/greet/Alice")

    page = gateway.get("/status", HTML).get_data(as_text=True)

    assert '<li class="service open">' in page
    assert "too many failures in a row" in page
    assert page.count('<li class="service closed">') == len(SERVICES) - 1
