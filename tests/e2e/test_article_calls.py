"""Hold the calls that articles teach against the contract, to the letter."""

import pytest

pytestmark = pytest.mark.e2e


def test_root_says_hello(visitor):
    answer = visitor.get("/")

    assert answer.json()["message"] == "Hello, this is a Flask Microservice"
    assert answer.json()["links"]


def test_root_shows_a_browser_a_page(visitor):
    answer = visitor.get("/", headers={"Accept": "text/html"})

    assert answer.headers["Content-Type"].startswith("text/html")


def test_sign_in_sets_the_cookie(visitor):
    answer = visitor.post("/auth", json={"username": "admin", "password": "admin"})

    cookie = answer.headers["Set-Cookie"]
    assert (answer.status_code, answer.json()) == (200, {"message": "Authentication successful"})
    assert cookie.startswith("token=")
    assert all(part in cookie for part in ("HttpOnly", "SameSite=Lax", "Path=/"))


@pytest.mark.parametrize("username", ["admin", "nobody"])
def test_wrong_pair_is_refused(visitor, username):
    answer = visitor.post("/auth", json={"username": username, "password": "wrong"})

    assert answer.status_code == 401
    assert answer.json()["error"] == "Invalid username or password"


def test_sign_in_takes_json_only(visitor):
    answer = visitor.post("/auth", data={"username": "admin", "password": "admin"})

    assert (answer.status_code, answer.json()["error"]) == (415, "Unsupported Media Type")


def test_products_are_listed_for_who_is_signed_in(alice):
    answer = alice.get("/products")

    products = answer.json()["data"]
    assert answer.status_code == 200
    assert set(products[0]) == {"id", "title", "brand", "price", "description"}
    assert isinstance(products[0]["price"], float)


def test_products_are_listed_for_a_bearer(visitor, alice):
    token = alice.session.cookies["token"]

    answer = visitor.get("/products", headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code == 200


def test_products_are_not_for_strangers(visitor):
    missing = visitor.get("/products")
    invalid = visitor.get("/products", headers={"Cookie": "token=x"})

    assert (missing.status_code, invalid.status_code) == (401, 401)
    assert missing.json()["error"] == "Authorization token is missing"
    assert invalid.json()["error"] == "Authorization token is invalid"


def test_greetings_greet(visitor):
    assert visitor.get("/greet/Alice").json() == {"message": "Hello, Alice!"}
    assert visitor.get("/greet/language/fr/Alice").json()["message"] == "Bonjour, Alice!"
    assert visitor.get("/api/hello/alice").json() == {"hello": "alice"}
