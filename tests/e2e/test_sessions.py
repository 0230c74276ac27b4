"""Stay signed in through the gateway as a browser does, with a real cookie jar."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.shopper import Shopper
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e

REFRESH = "/api/v1/auth/refresh"


def token_of(shopper):
    return shopper.session.cookies.get("token")


@pytest.mark.services
def test_browser_refreshes_when_its_token_has_expired(open_shop):
    shop = open_shop(ACCESS_TOKEN_SECONDS="2")
    alice, bearer = Shopper(shop.url).sign_in("alice"), Shopper(shop.url)
    first = token_of(alice)
    bearer.session.headers["Authorization"] = f"Bearer {first}"
    fresh = alice.get("/products").status_code

    wait_until(lambda: bearer.get("/products").status_code != 200, every_seconds=0.1)
    expired, rubbish = bearer.get("/products"), Shopper(shop.url)
    refused = alice.get("/products")
    public = bearer.get("/api/v1/products")
    refreshed = alice.post(REFRESH, json={})
    again = alice.get("/products")

    invalid = rubbish.get("/products", headers={"Cookie": "token=x"})
    said = [{**a.json(), "request_id": ""} for a in (expired, invalid)]
    assert said[0] == said[1]
    # The jar has dropped the cookie with its token, so that there is none.
    assert (fresh, refused.json()["code"], public.status_code) == (200, "missing_token", 200)
    assert (refreshed.status_code, again.status_code) == (200, 200)
    assert token_of(alice) not in {None, first}


def test_access_ends_everywhere_within_seconds(running_shop):
    shop = running_shop
    alice, bob = Shopper(shop.url).sign_in("alice"), Shopper(shop.url).sign_in("bob")
    calls = {
        "gateway": "/products",
        "auth": "/api/v1/auth/me",
        "accounts": "/api/v1/accounts/me",
        "products": "/products",
        "orders": "/api/v1/cart",
        "payments": "/api/v1/payments?order_id=ord_AAAAAAAAAAAAAAAAAAAAAA",
        "greetings": "/api/v1/greetings/me",
    }

    def admitted(shopper):
        headers = {"Authorization": f"Bearer {token_of(shopper)}"}
        stranger = Shopper(shop.url)
        statuses = {
            name: stranger.session.get(f"{shop.url_of(name)}{path}", headers=headers).status_code
            for name, path in calls.items()
        }
        return {name for name, status in statuses.items() if status != 401}

    stolen = Shopper(shop.url)
    stolen.session.cookies.set("token", token_of(alice))
    assert admitted(stolen) == set(calls)
    began = time.monotonic()
    alice.post("/api/v1/auth/logout")

    wait_until(lambda: not admitted(stolen), 5, every_seconds=0.2)

    assert time.monotonic() - began < 5
    assert admitted(bob) == set(calls)


def test_two_tabs_refresh_at_once(alice):
    refresh = {"Cookie": f"refresh={_refresh_cookie(alice)}"}
    tabs = [Shopper(alice.url) for _ in range(2)]

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda tab: tab.post(REFRESH, json={}, headers=refresh), tabs))

    assert [answer.status_code for answer in answers] == [200, 200]
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    assert [tab.get("/products").status_code for tab in tabs] == [200, 200]


def test_answer_that_was_lost_can_be_had_again(alice):
    refresh = {"Cookie": f"refresh={_refresh_cookie(alice)}"}

    lost, got = (Shopper(alice.url).post(REFRESH, json={}, headers=refresh) for _ in range(2))
    next_one = {"Cookie": f"refresh={got.json()['refresh_token']}"}
    after = Shopper(alice.url).post(REFRESH, json={}, headers=next_one)

    assert lost.json()["refresh_token"] == got.json()["refresh_token"]
    assert after.status_code == 200


def test_other_site_can_not_refresh(alice):
    answer = alice.post(REFRESH, json={}, headers={"Sec-Fetch-Site": "cross-site"})

    assert answer.status_code == 403
    assert alice.post(REFRESH, json={}).status_code == 200


def _refresh_cookie(shopper):
    return next(cookie.value for cookie in shopper.session.cookies if cookie.name == "refresh")
