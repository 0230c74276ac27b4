import re
from collections import Counter
from pathlib import Path

import pytest

import gateway
from chassis.errors import NotFound
from gateway.errors import MethodNotAllowed
from gateway.routes import CHECKOUT, NORMAL, ROUTES, Access, Route, RouteTable

TABLE = RouteTable(ROUTES)


@pytest.mark.parametrize(
    ("method", "path", "service", "access"),
    [
        ("POST", "/auth", "auth", Access.DELEGATED),
        ("GET", "/api/v1/auth/me", "auth", Access.DELEGATED),
        ("GET", "/.well-known/jwks.json", "auth", Access.PUBLIC),
        ("GET", "/products", "products", Access.REQUIRED),
        ("HEAD", "/api/v1/products/7", "products", Access.PUBLIC),
        ("PUT", "/api/v1/products/7/stock", "products", Access.REQUIRED),
        ("DELETE", "/api/v1/cart/items/7", "orders", Access.REQUIRED),
        ("GET", "/api/v1/payments/1", "payments", Access.REQUIRED),
        ("GET", "/greet/language/fr/Alice", "greetings", Access.PUBLIC),
        ("GET", "/metrics", "gateway", Access.LOCAL),
    ],
)
def test_request_finds_its_service(method, path, service, access):
    route = TABLE.match(path, method)

    assert (route.service, route.access) == (service, access)


@pytest.mark.parametrize(
    "path",
    [
        *("/internal/payments", "/api/v1/internal", "/nothing", "/PRODUCTS", "/Api/v1/products"),
        *("/products/1", "/auth/x", "/api/v1/productsx", "/healthz/x", "/static.css", "/api/v1"),
    ],
)
def test_path_outside_of_the_table_does_not_exist(path):
    with pytest.raises(NotFound):
        TABLE.match(path, "GET")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/products", "GET, HEAD"),
        ("GET", "/auth", "POST"),
        ("GET", "/api/v1/payments/webhook", "POST"),
        ("OPTIONS", "/api/v1/orders", "GET, HEAD, POST"),
    ],
)
def test_refusal_of_a_method_names_the_allowed_ones(method, path, allowed):
    with pytest.raises(MethodNotAllowed) as refusal:
        TABLE.match(path, method)

    assert refusal.value.headers == {"Allow": allowed}


def test_only_orders_may_take_their_time():
    assert TABLE.match("/api/v1/orders", "POST").timeouts is CHECKOUT
    assert TABLE.match("/api/v1/orders", "GET").timeouts is NORMAL


def test_only_the_webhook_is_signed():
    assert [route.pattern for route in ROUTES if route.signed] == ["/api/v1/payments/webhook"]


def test_no_two_routes_claim_the_same_request():
    claims = Counter((route.pattern, method) for route in ROUTES for method in route.methods)

    assert max(claims.values()) == 1


def test_longest_pattern_wins_and_one_may_stand_for_everything():
    every, deep, exact = (
        Route(pattern, pattern, frozenset({"GET"}), Access.PUBLIC)
        for pattern in ("/*", "/a/b/*", "/a/b/c")
    )
    table = RouteTable([every, deep, exact])

    found = [table.match(path, "GET") for path in ("/", "/x/y", "/a", "/a/b", "/a/b/d", "/a/b/c")]

    assert found == [every, every, every, deep, deep, exact]


def test_readme_has_every_route():
    text = Path(gateway.__file__).with_name("README.md").read_text("utf-8")
    rows = re.findall(r"^\| `(/\S*)` \| ([A-Z, ]+) \| (\w+) \| (\w+) \|$", text, re.MULTILINE)

    expected = [
        (route.pattern, ", ".join(sorted(route.methods - {"HEAD"})), route.service)
        for route in ROUTES
    ]
    assert [row[:3] for row in rows] == expected
    assert [row[3] for row in rows] == [route.access.name.lower() for route in ROUTES]
