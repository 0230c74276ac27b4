"""Take events over HTTP, each once."""

import pytest
from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis.config import ServiceConfig
from chassis.errors import Unavailable
from chassis.inbound.api import Api, Text
from chassis.inbound.app import create_flask
from chassis.testing import START, FakeClock, TokenMint, bearer
from messaging import consumer
from messaging.consumer import KEPT, Consumer, Lenient, Wanted
from messaging.inbox import InboxColumns
from tests.databases import opened


class Base(DeclarativeBase):
    pass


class Seen(InboxColumns, Base):
    __tablename__ = "seen"


class Effect(Base):
    __tablename__ = "effects"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40))


class ThingSchema(Lenient):
    name = Text(required=True, maximum=40)


@pytest.fixture
def database(databases, tmp_path):
    with opened(databases, "consumer", tmp_path, Base.metadata) as database:
        yield database


@pytest.fixture
def effects(database):
    def effects():
        with database.read() as session:
            return [effect.name for effect in session.query(Effect).order_by(Effect.id)]

    return effects


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def failures():
    """Hold what the handler raises after its effect, the last first."""
    return []


@pytest.fixture
def taker(database, clock, failures):
    def handle(session, event):
        session.add(Effect(name=event["data"]["name"]))
        session.flush()
        if failures:
            raise failures.pop()

    return Consumer(database, Seen, clock, {"thing.made": Wanted(ThingSchema(), handle)})


@pytest.fixture
def mint():
    return TokenMint()


@pytest.fixture
def client(taker, mint, tmp_path):
    config = ServiceConfig.from_environ({"SHOP_DATA_DIR": str(tmp_path)})
    app = create_flask("consumer", config, key_set=mint)
    app.extensions["consumer"] = taker
    Api(app, title="Consumer").register_blueprint(consumer.bp)
    return app.test_client()


@pytest.fixture
def post(client, mint):
    headers = bearer(mint.service("publisher", "events:write"))

    def post(**changes):
        envelope = {
            "id": "event-1", "type": "thing.made", "version": 1, "aggregate_id": "thing-1",
            "occurred_at": START.isoformat(), "request_id": None, "data": {"name": "flask"},
            **changes,
        }  # fmt: skip
        return client.post("/internal/events", json=envelope, headers=headers)

    return post


def test_event_has_its_effect_once(post, effects):
    assert [post().status_code for _ in range(3)] == [204, 204, 204]

    assert effects() == ["flask"]


def test_effect_that_fails_is_had_when_the_event_comes_again(post, effects, failures):
    failures.append(Unavailable("A neighbour is away."))

    assert post().status_code == 503
    assert effects() == []
    assert post().status_code == 204
    assert effects() == ["flask"]


def test_newer_publisher_may_tell_more(post, effects):
    assert post(colour="red", data={"name": "flask", "colour": "red"}).status_code == 204

    assert effects() == ["flask"]


def test_unwanted_type_is_fine_in_any_version(post, effects):
    assert post(type="thing.broken", version=7, data={}).status_code == 204

    assert effects() == []


@pytest.mark.parametrize(
    "changes",
    [
        *({"version": 2}, {"version": "1"}, {"data": {}}, {"data": {"name": 1}}, {"data": []}),
        *({"id": "x" * 37}, {"occurred_at": "yesterday"}, {"type": None}),
    ],
    ids=str,
)
def test_what_can_not_be_read_is_refused_without_a_note(post, effects, changes):
    assert post(**changes).status_code == 422

    assert post().status_code == 204
    assert effects() == ["flask"]


def test_unknown_version_is_named(post):
    problem = post(version=2).get_json()

    assert problem["code"] == "unknown_version"
    assert "2" in problem["detail"]


def test_only_services_with_the_scope_may_tell(client, mint):
    def status(token):
        return client.post("/internal/events", json={}, headers=bearer(token)).status_code

    assert status(mint.user(roles=("operator",))) == 403
    assert status(mint.service("publisher", "events:read")) == 403
    assert client.post("/internal/events", json={}).status_code == 401


def test_notes_are_dropped_when_the_event_will_not_come_again(post, effects, taker, clock):
    post()
    clock.advance(KEPT.total_seconds() - 1)
    taker.forget()
    post()
    assert effects() == ["flask"]

    clock.advance(2)
    taker.forget()
    post()

    assert effects() == ["flask", "flask"]
