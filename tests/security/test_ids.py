"""Put odd ids and parameters into every route that takes any (case 134)."""

import pytest

from tests.security.policy import SERVED, each
from tests.security.routes import documented_operations

ODD_IDS = (
    "99999999999999999999", "9223372036854775808", "2147483648", "-1", "%2B1", "0", "00", "01",
    "1e5", "1.0", "1_000", "0x1", "1,2", "%31%00", "%00", "1%0d%0a", "%20", "1%20", "%201",
    "%EF%BC%91%EF%BC%92", "%D9%A3", "%C2%B2", "%ff", "%c0%af", "%ed%a0%80", "%F0%9F%A7%AA",
    "00000000-0000-0000-0000-000000000000", "%7B0%7D", "urn:uuid:0", "null", "undefined", "NaN",
    "true", "None", "[]", "a[]", "{}", "*", "%25", "%25s", "%2e%2e", ".", "~", "'",
    "%27%20OR%201=1", "%22", "%3Cb%3E", ";", "me", "self", "x" * 64, "x" * 65, "x" * 300,
    "x" * 5000,
)  # fmt: skip
ODD_VALUES = (
    *ODD_IDS, "", "+", "-0", "101", "1000", "%2B5", "eyJhIjoxfQ", "W10", "W251bGxd", "WyJhIl0",
    "====", "W1tdXQ", "WzEsMl0", "Wy0xLCJhIl0", "WzFlOTk5LCJhIl0", "WzFFMTAwLCAiYSJd", "1" * 5000,
)  # fmt: skip
REFUSED = {404, 422}
IN_PATHS = [(o, name) for o in SERVED for name in o.parameters]


@pytest.fixture(scope="module")
def documented(world):
    return documented_operations(world.shop.apps)


@pytest.mark.parametrize(
    ("operation", "parameter"), IN_PATHS, ids=lambda part: str(part) if part else ""
)
def test_odd_id_is_not_found(world, operation, parameter):
    values, who = world.subject(operation), world.entitled(operation)
    fine = REFUSED | {operation.status} if operation.any_id else REFUSED
    # To services it is no secret what was released before under an id.
    fine |= {409} if operation.internal else set()
    # Those that accounts are found by are few, and named in the refusal.
    fine |= {400} if parameter == "criterion" else set()
    before = world.state()

    statuses = {
        odd: world.send(operation, who, {**values, parameter: odd}).status_code for odd in ODD_IDS
    }

    assert {odd: status for odd, status in statuses.items() if status not in fine} == {}
    assert operation.any_id or world.state() == before


@each([operation for operation in SERVED if operation.method == "GET"])
def test_odd_value_of_a_parameter_is_never_a_failure(world, documented, operation):
    parameters = documented.get(str(operation), {}).get("query", {})
    values, who = world.subject(operation), world.entitled(operation)
    queries = [f"{name}={odd}" for name in parameters for odd in ODD_VALUES]

    statuses = {q: world.send(operation, who, values, query=q).status_code for q in queries}

    assert {q: s for q, s in statuses.items() if s not in {200, *REFUSED}} == {}


@each([operation for operation in SERVED if operation.method == "GET"])
def test_parameter_that_nobody_declared_or_that_comes_twice_is_invalid(
    world, documented, operation
):
    parameters = documented.get(str(operation), {}).get("query", {})
    values, who = world.subject(operation), world.entitled(operation)
    queries = [
        q
        for name in parameters
        for q in (f"{name}[]=1", f"{name}[0]=1", f"{name}=1&{name}=1", f"{name}=1&unheard_of=1")
    ]

    statuses = {q: world.send(operation, who, values, query=q).status_code for q in queries}

    assert {query: status for query, status in statuses.items() if status != 422} == {}


@each([operation for operation in SERVED if operation.method == "GET"])
def test_odd_limit_of_a_list_is_invalid(world, documented, operation):
    parameters = documented.get(str(operation), {}).get("query", {})
    # A leading zero does no harm to a number that is not an id.
    queries = [f"limit={odd}" for odd in ODD_VALUES if odd != "01" and "limit" in parameters]

    who = world.entitled(operation)
    statuses = {q: world.send(operation, who, query=q).status_code for q in queries}

    assert {query: status for query, status in statuses.items() if status != 422} == {}
