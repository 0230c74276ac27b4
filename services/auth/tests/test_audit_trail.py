"""Leave a trail of who tried what, without what they typed (case 148)."""

import pytest
from sqlalchemy import select

from chassis.testing import bearer
from services.auth.models import User

pytestmark = pytest.mark.usefixtures("cheap_passwords", "quiet")

SOURCE = "203.0.113.7"
NEWCOMER = {"username": "trail-1", "email": "t@example.com", "password": "twelve quiet owls"}


@pytest.fixture
def noted(shared_premises):
    """Return a function that gives the events since the test began."""
    before = len(shared_premises.log())

    def noted():
        lines = [line for line in shared_premises.log()[before:] if line["logger"] == "audit"]
        return [(line["event"], line["outcome"], line["user"], line["source"]) for line in lines]

    return noted


@pytest.fixture
def post(client):
    def post(path, body=None, **headers):
        sent = {"X-Forwarded-For": SOURCE, **headers}
        return client.post(f"/api/v1/auth/{path}", json=body, headers=sent)

    return post


@pytest.fixture
def ids(app):
    with app.extensions["desk"].database.read() as session:
        return dict(session.execute(select(User.username, User.id)).all())


def test_log_in_is_noted_however_it_ends(post, noted, ids):
    for password in ("alice", *["wrong"] * 6):
        post("login", {"username": "alice", "password": password})

    outcomes = ["allowed", *["refused"] * 5, "throttled"]
    assert noted() == [("login.password", each, ids["alice"], SOURCE) for each in outcomes]


def test_name_that_somebody_typed_is_not_noted(post, noted, shared_premises):
    post("login", {"username": "my-secret-password", "password": "x"})

    assert noted() == [("login.password", "refused", None, SOURCE)]
    assert "my-secret" not in (shared_premises.folder / "log/auth.jsonl").read_text()


def test_registration_is_noted_however_it_ends(post, noted, monkeypatch):
    monkeypatch.setattr("services.auth.throttle.MAX_REGISTRATIONS", 2)
    answers = [post("register", NEWCOMER) for _ in range(3)]

    user_id = answers[0].json["id"]
    assert noted() == [
        ("user.register", "allowed", user_id, SOURCE),
        ("user.register", "refused", None, SOURCE),
        ("user.register", "throttled", None, SOURCE),
    ]


def test_erasure_is_noted_once(app, client, noted, ids):
    desk = app.extensions["desk"]
    token = desk.issuer.issue("service:accounts", scopes=["users:erase"]).access_token
    for name in ("admin", "bob", "bob"):
        client.post(f"/internal/users/{ids[name]}/erase", headers=bearer(token))

    assert [line[:3] for line in noted()] == [
        ("user.erase", "refused", ids["admin"]),
        ("user.erase", "allowed", ids["bob"]),
    ]


def test_line_tells_time_and_request(post, shared_premises):
    answer = post("login", {"username": "alice", "password": "alice"}, **{"X-Request-Id": "r-1"})

    line = next(line for line in reversed(shared_premises.log()) if line["logger"] == "audit")
    assert line["request_id"] == answer.headers["X-Request-Id"] == "r-1"
    assert line["time"].endswith("+00:00")


def test_forged_request_id_is_replaced(post, shared_premises):
    forged = "x" * 10_000
    answer = post("login", {"username": "alice", "password": "alice"}, **{"X-Request-Id": forged})

    line = next(line for line in reversed(shared_premises.log()) if line["logger"] == "audit")
    assert line["request_id"] == answer.headers["X-Request-Id"] != forged
    assert len(line["request_id"]) == 32
