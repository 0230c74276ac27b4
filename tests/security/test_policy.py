"""Hold the table of who may call what against the routes that there are."""

import pytest

from chassis.errors import NotFound
from gateway.app import create_app
from gateway.config import Config
from gateway.routes import ROUTES, RouteTable
from gateway.routes import Access as Door
from tests.security.policy import (
    AT_THE_GATEWAY,
    JSON_TAKING,
    OPERATIONS,
    PROTECTED,
    SERVED,
    SYSTEM,
    Access,
    each,
)
from tests.security.routes import documented_operations, served_operations
from tests.security.world import OTHER_VALUES, filled

DOORS = {
    Access.PUBLIC: {Door.PUBLIC},
    Access.SIGNED: {Door.PUBLIC},
    Access.USER: {Door.REQUIRED},
    Access.OWNER: {Door.REQUIRED},
    Access.OPERATOR: {Door.REQUIRED},
}
TABLE = RouteTable(ROUTES)


@pytest.fixture(scope="module")
def documented(world):
    return documented_operations(world.shop.apps)


def test_every_route_is_classified_and_nothing_else(world, tmp_path):
    gateway = create_app(Config.from_environ({"SHOP_DATA_DIR": str(tmp_path)}))
    routes = served_operations({**world.shop.apps, "gateway": gateway})

    classified = [str(operation) for operation in OPERATIONS]

    assert routes - set(classified) == set(), "classify them in policy.py"
    assert set(classified) - routes - {"gateway GET /static/{filename}"} == set()
    assert len(classified) == len(set(classified))


def test_every_operation_is_documented(documented):
    assert set(documented) == {str(o) for o in SERVED if o.path not in SYSTEM}


def test_document_says_who_needs_a_token(documented):
    secured = {name for name, operation in documented.items() if operation["security"]}

    assert secured == {str(operation) for operation in PROTECTED}


def test_table_has_a_good_body_for_every_operation_that_takes_one(documented):
    taking = {name for name, operation in documented.items() if operation["json"]}

    assert taking == {str(operation) for operation in JSON_TAKING}


@each(JSON_TAKING)
def test_good_body_has_every_member_of_the_document(documented, operation):
    schema = documented[str(operation)]["json"]

    assert set(operation.body) == set(schema["properties"])
    assert schema.get("additionalProperties", True) is operation.tolerant


@each(AT_THE_GATEWAY)
def test_gateway_asks_for_what_the_service_asks_for(operation):
    route = TABLE.match(filled(operation.path, OTHER_VALUES), operation.method)

    expected = {Door.DELEGATED} if operation.service == "auth" else DOORS[operation.access]
    assert route.service == operation.service
    assert route.access in expected | ({Door.PUBLIC} if operation.path.startswith("/.") else set())
    assert route.signed is (operation.access is Access.SIGNED)


@each([operation for operation in SERVED if operation.internal])
def test_gateway_knows_no_internal_path(operation):
    with pytest.raises(NotFound):
        TABLE.match(filled(operation.path, OTHER_VALUES), operation.method)


def test_every_route_of_the_gateway_leads_somewhere():
    calls = [(filled(o.path, OTHER_VALUES), o.method) for o in AT_THE_GATEWAY]

    used = {TABLE.match(*call) for call in calls}

    forwarding = {route for route in ROUTES if route.service != "gateway"}
    assert {route.pattern for route in forwarding - used} == set()
