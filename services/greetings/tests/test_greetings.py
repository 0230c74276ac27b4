"""Hold greetings against the contract."""

import json

import pytest

from services.greetings import create_app
from services.greetings.config import Config
from services.greetings.domain import load_languages


@pytest.fixture
def client(tmp_path):
    config = Config.from_environ({"SHOP_DATA_DIR": str(tmp_path)})
    return create_app(config).test_client()


def test_greets_by_name(client):
    assert client.get("/greet/Alice").get_json() == {"message": "Hello, Alice!"}


def test_greets_in_a_language(client):
    answer = client.get("/greet/language/fr/Alice").get_json()

    assert answer == {"message": "Bonjour, Alice!", "language": "fr", "direction": "ltr"}


def test_says_hello_in_the_shape_of_the_articles(client):
    assert client.get("/api/hello/alice").get_json() == {"hello": "alice"}


def test_language_code_may_be_in_capitals(client):
    assert client.get("/greet/language/FR/Alice").get_json()["language"] == "fr"


def test_unknown_language_is_not_found_and_the_known_ones_are_named(client):
    answer = client.get("/greet/language/xx/Alice")

    problem = answer.get_json()
    assert (answer.status_code, problem["code"]) == (404, "unknown_language")
    assert {"en", "de", "ja"} <= set(problem["languages"])


def test_lists_at_least_twenty_languages(client):
    languages = client.get("/api/v1/greetings/languages").get_json()["data"]

    assert len(languages) >= 20
    assert {"code": "de", "name": "German", "native_name": "Deutsch"} in languages


@pytest.mark.parametrize("name", ["{name}", "{0}", "%s", "Ünïcödé", "a b", "名前", '"', "<b>"])
def test_name_is_never_read_as_a_template(client, name):
    assert client.get(f"/greet/{name}").get_json() == {"message": f"Hello, {name}!"}


@pytest.mark.parametrize("code", sorted(load_languages()))
def test_every_language_greets_by_name(code):
    greeting = load_languages()[code].greet("Zoë")

    assert greeting.count("Zoë") == 1
    assert "{" not in greeting


def test_other_methods_are_refused_with_the_allowed_ones(client):
    answer = client.post("/greet/Alice")

    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]


def test_document_describes_every_route(client):
    paths = json.loads(client.get("/openapi.json").data)["paths"]

    assert {"/greet/{name}", "/greet/language/{code}/{name}", "/api/hello/{username}"} <= set(paths)
