"""Have another site send every unsafe request with the victim's cookie (case 126)."""

import pytest

from tests.security.hostile import cross_site
from tests.security.policy import CHANGING, Access, each

HOSTILE = cross_site("localhost")
# What is signed was not made by a browser; the gateway's tests hold what exempts it.
BROWSERS = [operation for operation in CHANGING if operation.access is not Access.SIGNED]


def with_cookie(world, operation):
    _, _, token = world.callers[world.entitled(operation)].get("Authorization", "").partition(" ")
    return {"Cookie": f"token={token}"}


@each(BROWSERS)
def test_other_sites_change_nothing(world, operation):
    cookie, subject = with_cookie(world, operation), world.subject(operation)
    before = world.state()

    answers = {
        name: world.send(operation, {**cookie, **headers}, subject)
        for name, headers in HOSTILE.items()
    }

    codes = {name: (a.status_code, a.get_json()["code"]) for name, a in answers.items()}
    assert {n: code for n, code in codes.items() if code != (403, "cross_site_request")} == {}
    assert not any("Set-Cookie" in answer.headers for answer in answers.values())
    assert world.state() == before


@each(BROWSERS)
def test_own_pages_may_send_it(world, operation):
    cookie, subject = with_cookie(world, operation), world.subject(operation)

    answer = world.send(operation, {**cookie, "Sec-Fetch-Site": "same-origin"}, subject)

    assert answer.status_code == operation.status


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "none"}, {"Origin": "http://localhost"}, {}], ids=str
)
def test_other_headers_of_own_pages_and_of_programs_do_as_well(world, headers):
    cart = next(operation for operation in BROWSERS if operation.method == "DELETE")

    answer = world.send(cart, {**with_cookie(world, cart), **headers})

    assert answer.status_code == cart.status


@each(BROWSERS)
def test_bearer_header_is_no_browsers_doing(world, operation):
    subject = world.subject(operation)
    caller = world.callers[world.entitled(operation)] or {"Authorization": "Bearer x"}

    answer = world.send(operation, {**caller, **HOSTILE["cross-site"]}, subject)

    assert answer.status_code == operation.status


@each(CHANGING)
def test_reading_changes_nothing(world, operation):
    cookie, subject = with_cookie(world, operation), world.subject(operation)
    before = world.state()

    answer = world.send(operation, cookie, subject, method="GET")

    # Another operation may be there to read.
    assert answer.status_code in {200, 401, 404, 405}
    assert world.state() == before
