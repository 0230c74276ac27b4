"""Come in through the gateway of the running shop."""

from datetime import timedelta

import pytest

from chassis.clock import SystemClock
from chassis.testing import TokenMint
from services.auth.keys import KeyRing
from services.auth.rotation import Schedule
from storage.database import Database
from tests.e2e.shopper import Shopper
from tests.resilience import rounds
from tests.security.line import Line
from tests.waiting import wait_until


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    rounds.parametrize(metafunc, ())


@pytest.fixture(scope="module")
def line(running_shop):
    line = Line(running_shop.url)
    yield line
    line.connection.close()


@pytest.fixture(scope="module")
def ids(running_shop):
    """Hold the ids of users by their names."""
    people = {name: Shopper(running_shop.url).sign_in(name) for name in ("alice", "admin")}
    for each in people.values():
        # Accounts hears of them soon after the start.
        wait_until(lambda each=each: each.get("/api/v1/accounts/me").status_code == 200)
    return {name: each.get("/api/v1/auth/me").json()["id"] for name, each in people.items()}


@pytest.fixture(scope="module")
def cookies(ids, mint):
    """Hold tokens that no log-out and no new password of another test ends."""
    tokens = {"alice": mint.user(ids["alice"], ("customer",))}
    tokens["admin"] = mint.user(ids["admin"], ("operator",))
    # Somebody who may be erased.
    tokens["nobody"] = mint.user("nobody-in-particular", ("customer",))
    return {name: {"Cookie": f"token={token}"} for name, token in tokens.items()}


@pytest.fixture(scope="module")
def operator_id(ids):
    return ids["admin"]


@pytest.fixture(scope="module")
def mint(running_shop):
    """Sign as the shop's own auth service does."""
    database = Database(running_shop.database_url("auth"))
    ring = KeyRing(database, SystemClock(), Schedule(*[timedelta(days=1)] * 3))
    ring.load()
    mint = TokenMint()
    mint.private_key, mint.key_id = ring.signing_key.private_key, ring.signing_key.key_id
    yield mint
    database.close()
