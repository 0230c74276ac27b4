"""Send every JSON route what it must refuse, from callers who may use it (cases 133, 139)."""

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from werkzeug.test import TestResponse

from chassis.inbound.problems import MEDIA_TYPE
from tests.security.bad_bodies import JSON_TYPE, REFUSALS, bad_json_bodies
from tests.security.policy import CHANGING, JSON_TAKING, PROTECTED, each
from tests.security.routes import documented_operations
from tests.security.world import filled

SECONDS = 0.1
UNKNOWN = ("an unknown member", "an empty name", "an unasked ")
"""How the names of bodies begin whose only fault is a member that nobody declared."""
MARK, NUMBER = "assigned-by-a-stranger", 987_654_321
"""Values that nobody else writes anywhere."""
STRANGE_MEMBERS = {
    "id": MARK, "user_id": MARK, "username": MARK, "role": MARK, "roles": [MARK], "scope": MARK,
    "is_admin": True, "is_demo": True, "price": NUMBER, "price_minor": NUMBER, "total": NUMBER,
    "total_minor": NUMBER, "captured": NUMBER, "balance": NUMBER, "status": MARK, "paid": True,
    "created_at": MARK, "updated_at": MARK, "password_hash": MARK, "source_key": MARK,
}  # fmt: skip


@pytest.fixture(scope="module")
def documented(world):
    return documented_operations(world.shop.apps)


def may_be_left_out(schema: Mapping[str, Any]) -> set[str]:
    """Return the names of the bodies that lack only what is optional."""
    required = set(schema.get("required", ()))
    names = {f"{name} missing" for name in set(schema["properties"]) - required}
    nullable = (name for name, its in schema["properties"].items() if "null" in its.get("type", ()))
    names |= {f"{name}: None" for name in nullable}
    return names if required else names | {"no members"}


def assigned(document: Any) -> Iterator[tuple[str, Any]]:
    """Yield copies of a document with a strange member in one of its objects each."""
    if isinstance(document, dict):
        for name, value in STRANGE_MEMBERS.items():
            if name not in document:
                yield name, {**document, name: value}
        for name, member in document.items():
            for path, changed in assigned(member):
                yield f"{name}.{path}", {**document, name: changed}
    elif isinstance(document, list) and document:
        for path, changed in assigned(document[0]):
            yield f"0.{path}", [changed, *document[1:]]


@each(JSON_TAKING)
def test_bad_body_is_refused_at_once_and_changes_nothing(world, documented, operation):
    values, who = world.subject(operation), world.entitled(operation)
    bodies = bad_json_bodies(filled(operation.body, values))
    fine = may_be_left_out(documented[str(operation)]["json"])
    fine |= {name for name in bodies if operation.tolerant and name.startswith(UNKNOWN)}
    for name in fine:
        del bodies[name]
    before = world.state()

    def send(name: str) -> tuple[float, TestResponse]:
        data, kind = bodies[name]
        started = time.perf_counter()
        answer = world.send(operation, who, values, data=data, content_type=kind)
        return time.perf_counter() - started, answer

    answers = {name: send(name) for name in bodies}

    statuses = {name: answer.status_code for name, (_, answer) in answers.items()}
    assert {n: status for n, status in statuses.items() if status not in REFUSALS} == {}
    assert {answer.content_type for _, answer in answers.values()} == {MEDIA_TYPE}
    # Once more, because other programs may have wanted the machine at that moment.
    slow = [name for name, (seconds, _) in answers.items() if seconds > SECONDS]
    assert [name for name in slow if min(send(name)[0] for _ in range(5)) > SECONDS] == []
    assert world.state() == before


@each(JSON_TAKING)
def test_body_over_a_mebibyte_is_too_large(world, operation):
    text = json.dumps({"filler": "x" * 1024 * 1024})

    answer = world.send(operation, world.entitled(operation), data=text, content_type=JSON_TYPE)

    assert answer.status_code == 413


@each([operation for operation in JSON_TAKING if not operation.tolerant])
def test_members_that_are_not_the_callers_to_set_are_refused(world, operation):
    values, who = world.subject(operation), world.entitled(operation)
    before = world.state()

    statuses = {
        path: world.send(
            operation, who, values, data=json.dumps(body), content_type=JSON_TYPE
        ).status_code
        for path, body in assigned(filled(operation.body, values))
    }

    assert {path: status for path, status in statuses.items() if status != 422} == {}
    assert len(statuses) >= len(STRANGE_MEMBERS) - 2
    assert world.state() == before


@each([operation for operation in CHANGING if operation.body is None])
def test_members_sent_to_a_command_are_refused(world, operation):
    values, who = world.subject(operation), world.entitled(operation)
    before = world.state()

    def status_with(body: Any) -> int:
        text = json.dumps(body)
        answer = world.send(operation, who, values, data=text, content_type=JSON_TYPE)
        assert MARK not in answer.text
        return answer.status_code

    assert {status_with(STRANGE_MEMBERS), status_with({"": 1})} == {422}
    assert (status_with([]), status_with("x")) == (422, 422)
    assert world.state() == before
    assert status_with({}) == operation.status


@each([operation for operation in PROTECTED if operation.unsafe and operation.body is None])
def test_strangers_hear_nothing_about_members(world, operation):
    text = json.dumps(STRANGE_MEMBERS)

    answer = world.send(operation, "nobody", data=text, content_type=JSON_TYPE)

    assert answer.status_code == 401
