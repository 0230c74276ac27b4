"""Keep public answers for everybody, and nothing that is a person's."""

from datetime import UTC, datetime

import pytest

from chassis.testing import FakeClock, bearer
from gateway.cache import MAX_BYTES, MAX_ENTRIES
from gateway.tests.stub import answer, problem

PAGE = "/api/v1/products"


def fresh(body="potions", *headers, life=2):
    fields = [("Cache-Control", f"public, max-age={life}"), *headers]
    return answer(200, body, headers=fields, media_type="text/plain")


@pytest.fixture
def clock():
    # Tokens of the mint are from the present.
    return FakeClock(datetime.now(UTC))


@pytest.fixture
def gateway(make_gateway, clock):
    return make_gateway(clock=clock)


@pytest.fixture
def ask(gateway, stub):
    """Ask for a page and return its body, and whether the service was asked."""

    def ask(target=PAGE, headers=None):
        stub.received.clear()
        response = gateway.get(target, headers)
        return response.get_data(as_text=True), bool(stub.received)

    return ask


def test_public_answer_is_kept_while_it_is_fresh(ask, stub, clock):
    stub.behaviour = fresh("first")
    ask()
    stub.behaviour = fresh("second")

    clock.advance(1.9)
    assert ask() == ("first", False)
    clock.advance(0.2)
    assert ask() == ("second", True)


def test_kept_answer_says_how_old_it_is(gateway, stub, clock):
    stub.behaviour = fresh(life=60)
    assert "Age" not in gateway.get(PAGE).headers

    clock.advance(7.9)
    kept = gateway.get(PAGE)

    assert kept.headers["Age"] == "7"
    assert "X-Stale" not in kept.headers
    assert kept.headers["X-Request-Id"] != gateway.get(PAGE).headers["X-Request-Id"]


def test_each_address_has_its_own_answer(ask, stub):
    stub.behaviour = fresh("all")
    ask()
    stub.behaviour = fresh("two")

    assert ask(f"{PAGE}?limit=2") == ("two", True)
    assert ask() == ("all", False)


@pytest.mark.parametrize(
    "control",
    ["", "no-store", "private, max-age=60", "max-age=60", "public", "public, max-age=0"],
)
def test_service_decides_what_may_be_kept(ask, stub, control):
    stub.behaviour = answer(200, {}, headers=[("Cache-Control", control)])
    ask()

    assert ask() == ("{}", True)


@pytest.mark.parametrize("status", [404, 301, 203])
def test_only_good_answers_are_kept(ask, stub, status):
    stub.behaviour = answer(status, {}, headers=[("Cache-Control", "public, max-age=60")])
    ask()

    assert ask() == ("{}", True)


def test_private_answer_is_not_kept_whatever_its_service_says(gateway, stub, mint):
    stub.behaviour = fresh("mine", life=60)
    for user in ("alice", "bob"):
        stub.received.clear()
        response = gateway.get("/products", bearer(mint.user(user)))

        assert stub.received
        assert response.headers["Cache-Control"] == "no-store"
        assert "Age" not in response.headers


def test_who_signs_in_gets_the_same_public_answer_without_cookies(gateway, stub, mint):
    stub.behaviour = fresh("potions", ("Set-Cookie", "seen=1"), life=60)

    answers = [gateway.get(PAGE, bearer(mint.user())), gateway.get(PAGE)]

    assert all("Set-Cookie" not in response.headers for response in answers)
    assert len(stub.received) == 1


def test_answers_differ_by_the_headers_that_they_depend_on(ask, stub):
    stub.behaviour = fresh("Trank", ("Vary", "Accept-Language"), life=60)
    ask(headers={"Accept-Language": "de"})
    stub.behaviour = fresh("potion", ("Vary", "Accept-Language"), life=60)

    assert ask(headers={"Accept-Language": "en"}) == ("potion", True)
    assert ask(headers={"Accept-Language": "de", "Accept": "text/html"}) == ("Trank", False)


def test_answer_that_depends_on_everything_is_not_kept(ask, stub):
    stub.behaviour = fresh("now", ("Vary", "*"), life=60)
    ask()

    assert ask() == ("now", True)


def test_large_answer_is_not_kept(ask, stub):
    stub.behaviour = fresh("x" * (MAX_BYTES + 1), life=60)
    ask()

    assert ask()[1]


def test_oldest_answer_makes_room(ask, stub):
    stub.behaviour = fresh(life=60)
    for number in range(MAX_ENTRIES + 1):
        ask(f"{PAGE}?cursor={number}")

    assert ask(f"{PAGE}?cursor=1") == ("potions", False)
    assert ask(f"{PAGE}?cursor=0") == ("potions", True)


def test_whoever_changes_something_sees_it(gateway, ask, stub, mint, clock):
    stub.behaviour = fresh("old", life=60)
    ask()
    stub.behaviour = fresh("new", life=60)
    clock.advance(0.1)

    gateway.send("PATCH", f"{PAGE}/1", bearer(mint.user()), b"{}")

    clock.advance(0.1)
    assert ask() == ("new", True)
    assert ask() == ("new", False)


def test_client_that_has_the_answer_is_told_so(gateway, stub):
    stub.behaviour = fresh("potions", ("ETag", '"1"'), life=60)
    gateway.get(PAGE)

    for tags in ('"1"', 'W/"1"', '"0", "1"', "*"):
        response = gateway.get(PAGE, {"If-None-Match": tags})
        assert (response.status_code, response.get_data()) == (304, b"")
        assert response.headers["ETag"] == '"1"'
    assert gateway.get(PAGE, {"If-None-Match": '"2"'}).status_code == 200
    assert len(stub.received) == 1


def test_condition_of_one_client_does_not_keep_the_answer_from_others(gateway, ask, stub):
    stub.behaviour = fresh("potions", ("ETag", '"1"'), life=60)

    response = gateway.get(PAGE, {"If-None-Match": '"1"'})

    assert response.status_code == 304
    assert stub.last.get("If-None-Match") is None
    assert ask() == ("potions", False)


def test_stale_answer_is_better_than_none_and_marked(gateway, stub, clock):
    stub.behaviour = fresh()
    gateway.get(PAGE)
    clock.advance(200)
    stub.behaviour = problem(503, "circuit_open")

    stale = gateway.get(PAGE)

    assert (stale.status_code, stale.get_data()) == (200, b"potions")
    assert (stale.headers["X-Stale"], stale.headers["Age"]) == ("true", "200")
    assert gateway.app.extensions["cache"].stale_answers == {"products": 1}


@pytest.mark.parametrize("behaviour", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"])
def test_stale_answer_is_better_than_a_broken_one(gateway, stub, clock, behaviour):
    stub.behaviour = fresh()
    gateway.get(PAGE)
    clock.advance(3)

    def break_off(exchange):
        exchange.send(behaviour)
        exchange.reset()

    stub.behaviour = break_off

    assert gateway.get(PAGE).headers["X-Stale"] == "true"


def test_nothing_is_shown_that_is_older_than_five_minutes(gateway, stub, clock):
    stub.behaviour = fresh()
    gateway.get(PAGE)
    clock.advance(300.1)
    stub.behaviour = problem(503, "circuit_open")

    assert gateway.get(PAGE).status_code == 503


def test_money_and_identity_are_never_stale(gateway, stub, mint, clock):
    stub.behaviour = fresh(life=60)
    for target in ("/api/v1/orders", "/api/v1/payments/1", "/api/v1/cart", "/products"):
        gateway.get(target, bearer(mint.user()))
    stub.behaviour = problem(503, "circuit_open")

    for target in ("/api/v1/orders", "/api/v1/payments/1", "/api/v1/cart", "/products"):
        assert gateway.get(target, bearer(mint.user())).status_code == 503


def test_key_set_goes_to_whoever_wants_it_while_auth_is_away(gateway, stub, clock):
    stub.behaviour = fresh("keys", life=1)
    gateway.get("/.well-known/jwks.json")
    clock.advance(2)
    stub.behaviour = problem(503, "circuit_open")

    assert gateway.get("/.well-known/jwks.json").headers["X-Stale"] == "true"
