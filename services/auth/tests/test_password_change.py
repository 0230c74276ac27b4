"""Change passwords, and keep whoever is not meant to out of it (case 101)."""

from threading import Barrier, Thread

import pytest
from sqlalchemy import select, update

from chassis.testing import bearer
from services.auth import sessions
from services.auth.models import User
from tests.resilience.at_once import at_once

from .test_log_in import cookies_of

PATH = "/api/v1/auth/password"
NEW = "twelve quiet owls"
CHANGE = {"current_password": "alice", "new_password": NEW}


@pytest.fixture
def desk(app):
    return app.extensions["desk"]


@pytest.fixture(autouse=True)
def as_before(cheap_passwords, quiet, desk):
    """Begin where everybody has their name as the password."""
    with desk.database.write() as session:
        for user in session.scalars(select(User)):
            user.password_hash = desk.hasher.hash(user.username)
            user.is_demo, user.disabled_at = True, None


@pytest.fixture
def client(app):
    return app.test_client(use_cookies=False)


@pytest.fixture
def log_in(client):
    def log_in(password="alice", username="alice"):
        body = {"username": username, "password": password}
        return client.post("/api/v1/auth/login", json=body)

    return log_in


@pytest.fixture
def change(client):
    def change(tokens, **changes):
        headers = bearer(tokens["access_token"])
        return client.post(PATH, json=CHANGE | changes, headers=headers)

    return change


@pytest.fixture
def refresh(client):
    def refresh(tokens):
        body = {"refresh_token": tokens["refresh_token"]}
        return client.post("/api/v1/auth/refresh", json=body)

    return refresh


def code_of(answer):
    return answer.status_code, answer.json["code"]


def test_new_password_counts_and_the_old_one_does_not(log_in, change):
    assert change(log_in().json).status_code == 200

    assert code_of(log_in("alice")) == (401, "invalid_credentials")
    assert log_in(NEW).status_code == 200


def test_answer_is_that_of_a_log_in(client, log_in, change):
    logged_in = log_in()

    changed = change(logged_in.json)

    assert changed.json.keys() == logged_in.json.keys()
    before, after = cookies_of(logged_in), cookies_of(changed)
    for name in before:
        assert before[name].pop("value") != after[name].pop("value")
        assert before[name].pop("Expires")
        assert after[name].pop("Expires")
    assert after == before
    me = client.get("/api/v1/auth/me", headers=bearer(changed.json["access_token"]))
    assert me.json["username"] == "alice"


def test_other_sessions_end_and_this_one_goes_on(log_in, change, refresh):
    this, other, bobs = log_in().json, log_in().json, log_in("bob", "bob").json

    changed = change(this)

    assert code_of(refresh(other)) == (401, "session_over")
    assert refresh(changed.json).status_code == 200
    assert refresh(bobs).status_code == 200


def test_refresh_token_from_before_is_of_no_use(log_in, change, refresh):
    this = log_in().json

    changed = change(this)

    assert code_of(refresh(this)) == (401, "session_over")
    assert refresh(changed.json).status_code == 200


def test_wrong_password_is_refused_and_changes_nothing(log_in, change, refresh):
    this, other = log_in().json, log_in().json

    answer = change(this, current_password="Alice")

    assert code_of(answer) == (401, "invalid_credentials")
    assert "Set-Cookie" not in answer.headers
    assert refresh(other).status_code == refresh(this).status_code == 200
    assert log_in().status_code == 200


def test_wrong_passwords_count_as_at_a_log_in(log_in, change):
    this = log_in().json
    for _ in range(2):
        change(this, current_password="wrong")
        log_in("wrong")

    assert [change(this, current_password="wrong").status_code for _ in range(2)] == [401, 429]
    refused = change(this)
    assert code_of(refused) == (429, "too_many_attempts")
    assert int(refused.headers["Retry-After"]) >= 1
    assert log_in().status_code == 429


def test_known_browser_has_its_own_allowance(app, log_in):
    browser = app.test_client()
    browser.post("/api/v1/auth/login", json={"username": "alice", "password": "alice"})
    for _ in range(8):
        log_in("wrong")

    assert browser.post(PATH, json=CHANGE).status_code == 200


def test_right_password_is_not_counted(log_in, change, desk):
    tokens = log_in().json
    for n in range(6):
        current, new = (f"{NEW} {n - 1}" if n else "alice"), f"{NEW} {n}"
        tokens = change(tokens, current_password=current, new_password=new).json

    assert log_in(f"{NEW} 5").status_code == 200


@pytest.mark.parametrize(
    ("new", "word"),
    [("alice", "same"), ("short", "8 to"), ("password1", "first"), ("alice-2030", "user name")],
)
def test_new_password_keeps_the_rules(log_in, change, new, word):
    answer = change(log_in().json, new_password=new)

    assert code_of(answer) == (422, "invalid")
    assert answer.json["errors"].keys() == {"new_password"}
    assert word in answer.json["errors"]["new_password"][0]
    assert log_in().status_code == 200


def test_same_password_is_the_same_however_it_is_composed(log_in, change):
    composed, decomposed = "caf\u00e9 caf\u00e9", "cafe\u0301 cafe\u0301"
    tokens = change(log_in().json, new_password=composed).json

    answer = change(tokens, current_password=composed, new_password=decomposed)

    assert code_of(answer) == (422, "invalid")


@pytest.mark.parametrize(
    "changes", [{"new_password": 1}, {"current_password": ""}, {"current_password": None}, {"x": 1}]
)
def test_bad_member_is_invalid(log_in, change, changes):
    answer = change(log_in().json, **changes)

    assert code_of(answer) == (422, "invalid")
    assert answer.json["errors"].keys() == changes.keys()


def test_service_has_no_password(client, desk):
    token = desk.issuer.issue("service:orders", scopes=["users:erase"]).access_token

    assert code_of(client.post(PATH, json=CHANGE, headers=bearer(token))) == (401, "invalid_token")


def test_token_of_a_session_that_is_over_changes_nothing(client, desk, log_in, change):
    this = log_in().json
    user_id = client.get("/api/v1/auth/me", headers=bearer(this["access_token"])).json["id"]
    for tokens in (this, {"access_token": desk.issuer.issue(user_id).access_token}):
        client.post("/api/v1/auth/logout", headers=bearer(this["access_token"]))

        assert code_of(change(tokens)) == (401, "invalid_token")
    assert log_in().status_code == 200


def test_password_that_was_changed_meanwhile_is_kept(log_in, change, desk, monkeypatch):
    this, hash_it = log_in().json, desk.hasher.hash

    def hash_and_be_late(password):
        other = update(User).where(User.username == "alice")
        with desk.database.write() as session:
            session.execute(other.values(password_hash=hash_it("another good one")))
        return hash_it(password)

    monkeypatch.setattr(desk.hasher, "hash", hash_and_be_late)

    assert code_of(change(this)) == (409, "conflict")
    assert log_in("another good one").status_code == 200


@pytest.mark.usefixtures("many_at_once")
def test_refresh_that_is_under_way_leaves_no_token_behind(log_in, change, refresh, monkeypatch):
    this, changed = log_in().json, []
    changing = Thread(target=lambda: changed.append(change(this)))
    forget_old = sessions._forget_old

    def be_overtaken(*arguments):
        monkeypatch.setattr(sessions, "_forget_old", forget_old)
        changing.start()
        # It has to wait for this transaction, or else comes through.
        changing.join(0.3)
        forget_old(*arguments)

    monkeypatch.setattr(sessions, "_forget_old", be_overtaken)
    refreshed = refresh(this)
    changing.join()

    assert (refreshed.status_code, changed[0].status_code) == (200, 200)
    assert code_of(refresh(refreshed.json)) == (401, "session_over")
    assert refresh(changed[0].json).status_code == 200


@pytest.mark.usefixtures("many_at_once")
def test_of_two_changes_at_once_one_counts(log_in, change, desk, monkeypatch):
    signed_in, both_are_right = [log_in().json, log_in().json], Barrier(2, timeout=10)
    hash_it = desk.hasher.hash

    def hash_together(password):
        both_are_right.wait()
        return hash_it(password)

    monkeypatch.setattr(desk.hasher, "hash", hash_together)
    news = ["seven grey geese", "eleven old crows"]

    def act(n):
        return news[n], change(signed_in[n], new_password=news[n])

    answers = dict(at_once(2, act))

    statuses = {new: answer.status_code for new, answer in answers.items()}
    assert sorted(statuses.values()) == [200, 401]
    assert {new: log_in(new).status_code for new in news} == statuses


def test_disabled_user_changes_nothing(log_in, change, desk):
    this = log_in().json
    with desk.database.write() as session:
        session.execute(update(User).values(disabled_at=desk.clock.now()))

    assert code_of(change(this)) == (401, "invalid_token")


def test_demo_user_is_one_no_longer(log_in, change, desk):
    change(log_in().json)

    with desk.database.read() as session:
        demo = session.scalars(select(User.username).where(User.is_demo)).all()
    assert sorted(demo) == ["admin", "bob"]


def test_change_is_noted(shared_premises, client, log_in, change):
    before = len(shared_premises.log())
    this = log_in().json
    me = client.get("/api/v1/auth/me", headers=bearer(this["access_token"])).json["id"]
    for _ in range(6):
        change(this, current_password="wrong")
    change(log_in("bob", "bob").json, current_password="bob")

    noted = [each for each in shared_premises.log()[before:] if each["logger"] == "audit"]
    noted = [line for line in noted if line["event"] == "password.change"]

    assert [line["outcome"] for line in noted] == [*["refused"] * 5, "throttled", "allowed"]
    assert noted[0]["user"] == me
    assert not any(word in str(noted) for word in ("wrong", NEW))
