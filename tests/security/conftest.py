"""Come in through the gateway of the running shop."""

import json
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


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    rounds.parametrize(metafunc, ())


@pytest.fixture(scope="module")
def line(running_shop):
    line = Line(running_shop.url)
    yield line
    line.connection.close()


@pytest.fixture(scope="module")
def cookies(running_shop):
    names = ("alice", "admin")
    signed_in = {name: Shopper(running_shop.url).sign_in(name) for name in names}
    return {n: {"Cookie": f"token={s.session.cookies['token']}"} for n, s in signed_in.items()}


@pytest.fixture(scope="module")
def operator_id(line, cookies):
    me = line.send("GET", "/api/v1/auth/me", cookies["admin"].items())
    return json.loads(me.text)["id"]


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
