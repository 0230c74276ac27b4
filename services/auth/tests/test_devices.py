"""Sign in from known and from strange browsers, under attack (cases 103, 105 and 110)."""

import pytest
from sqlalchemy import func, select

from services.auth import devices, service
from services.auth.models import Delay, Device, Guess
from tests.resilience.at_once import at_once

pytestmark = pytest.mark.usefixtures("cheap_passwords", "quiet")

LOG_IN = "/api/v1/auth/login"
DEVICE_SECONDS = 180 * 86400


@pytest.fixture
def database(app):
    return app.extensions["desk"].database


@pytest.fixture
def attempt(app):
    """Return a function that tries to sign in, with cookies if there are any."""

    def attempt(username="alice", password="wrong", source="203.0.113.1", path=LOG_IN, **cookies):
        client = app.test_client(use_cookies=False)
        headers = {"X-Forwarded-For": source}
        if cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        return client.post(path, json={"username": username, "password": password}, headers=headers)

    return attempt


@pytest.fixture
def attack(attempt):
    """Use up what strangers may try at an account."""

    def attack(username="alice"):
        for n in range(12):
            attempt(username, source=f"192.0.2.{n}")

    return attack


def cookie(answer, name):
    for header in answer.headers.getlist("Set-Cookie"):
        if header.startswith(f"{name}="):
            return header.partition("=")[2].partition(";")[0]
    return None


def count(database, table):
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(table))


def told(answer):
    body = {name: value for name, value in answer.json.items() if name != "request_id"}
    return answer.status_code, body, sorted(answer.headers.keys()), len(answer.data)


def test_twenty_wrong_passwords_in_a_row(attempt, clock):
    answers = [attempt() for _ in range(20)]

    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 15
    waits = [int(answer.headers["Retry-After"]) for answer in answers[5:]]
    assert waits == sorted(waits)
    assert waits[0] == 1 < waits[-1] == 60
    clock.advance(60)
    assert attempt(password="alice").status_code == 200
    assert [attempt().status_code for _ in range(5)] == [401] * 5


def test_articles_path_counts_the_same(attempt):
    for n in range(5):
        attempt(path=("/auth", LOG_IN)[n % 2])

    assert attempt(path="/auth").status_code == attempt().status_code == 429


@pytest.mark.parametrize("path", ["/auth", LOG_IN])
def test_known_and_unknown_are_answered_alike_however_often(attempt, path):
    for _ in range(8):
        known, unknown = attempt("alice", path=path), attempt("ellen", path=path)
        assert told(known) == told(unknown)

    names = ("x", "x" * 64, "\U0001f9ea", "a b", "alice ", "ALICE")
    answers = [attempt(name, source="198.51.100.9", path=path) for name in names]
    assert {str(told(answer)) for answer in answers} == {str(told(attempt("zoe", path=path)))}


def test_strangers_do_not_lock_a_known_browser_out(attempt, attack):
    device = cookie(attempt(password="alice"), "device")

    attack()

    assert attempt(password="alice").status_code == 429
    assert attempt(password="alice", device=device).status_code == 200


def test_device_of_somebody_else_is_no_help(attempt, attack):
    device = cookie(attempt("bob", "bob"), "device")

    attack("alice")

    assert attempt("alice", "alice", device=device).status_code == 429


@pytest.mark.parametrize("token", ["", "planted", "x" * 3000, "\u00ff"])
def test_made_up_device_is_a_strangers(attempt, attack, token):
    attack()

    assert attempt(password="alice", device=token).status_code == 429


def test_device_that_comes_twice_is_a_strangers(app, attempt, attack):
    device = cookie(attempt(password="alice"), "device")
    attack()

    answer = app.test_client(use_cookies=False).post(
        LOG_IN,
        json={"username": "alice", "password": "alice"},
        headers={"Cookie": f"device={device}; device=planted"},
    )

    assert answer.status_code == 429


def test_device_is_known_for_half_a_year(attempt, attack, clock):
    device = cookie(attempt(password="alice"), "device")

    clock.advance(DEVICE_SECONDS)
    attack()

    assert attempt(password="alice", device=device).status_code == 429


def test_planted_cookies_are_replaced_at_log_in_and_dead(attempt, attack):
    theirs = attempt(password="alice")
    planted = {name: cookie(theirs, name) for name in ("token", "refresh", "device")}

    answer = attempt(password="alice", **planted)

    mine = {name: cookie(answer, name) for name in planted}
    assert all(mine[name] not in {None, planted[name]} for name in planted)
    attack()
    assert attempt(password="alice", device=planted["device"]).status_code == 429
    assert attempt(password="alice", device=mine["device"]).status_code == 200


def test_planted_device_of_the_attacker_dies_when_the_victim_signs_in(attempt, attack):
    planted = cookie(attempt("bob", "bob"), "device")

    attempt("alice", "alice", device=planted)

    attack("bob")
    assert attempt("bob", "bob", device=planted).status_code == 429


def test_failed_log_in_sets_no_cookie_and_leaves_the_device(attempt, attack):
    device = cookie(attempt(password="alice"), "device")

    assert "Set-Cookie" not in attempt(device=device).headers

    attack()
    assert attempt(password="alice", device=device).status_code == 200


def test_newest_devices_are_kept(attempt, database, clock, monkeypatch):
    monkeypatch.setattr(devices, "KEPT", 3)
    first, *_, last = [
        (clock.advance(1), cookie(attempt(password="alice"), "device"))[1] for _ in range(5)
    ]

    assert count(database, Device) == 3
    with database.read() as session:
        user_id = session.scalar(select(Device.user_id).limit(1))
        now = clock.now()
        assert devices.find(session, user_id, last, now)
        assert devices.find(session, user_id, first, now) is None


def test_tokens_of_devices_are_stored_as_hashes(attempt, database):
    token = cookie(attempt(password="alice"), "device")

    with database.read() as session:
        device = session.scalars(select(Device)).one()
    assert len(device.token_hash) == 32
    assert token not in str(vars(device))


def test_what_is_of_no_use_any_more_is_dropped(app, attempt, database, clock):
    attempt(password="alice")
    attempt()
    clock.advance(DEVICE_SECONDS)

    service.forget_expired(app.extensions["desk"])

    assert [count(database, table) for table in (Guess, Delay, Device)] == [0, 0, 0]


@pytest.mark.usefixtures("many_at_once")
def test_of_many_guesses_at_once_ten_are_looked_at(app, attempt, monkeypatch):
    hasher = app.extensions["desk"].hasher
    looked = []
    monkeypatch.setattr(hasher, "_argon2", Watched(hasher._argon2, looked))

    answers = at_once(50, lambda n: attempt(source=f"192.0.2.{n}"))

    statuses = [answer.status_code for answer in answers]
    assert set(statuses) <= {401, 429, 503}
    assert statuses.count(401) == len(looked) <= 10


class Watched:
    """Note which passwords the hasher looks at."""

    def __init__(self, argon2, looked):
        self._argon2, self._looked = argon2, looked

    def verify(self, stored, password):
        self._looked.append(password)
        return self._argon2.verify(stored, password)


@pytest.mark.usefixtures("many_at_once")
def test_many_who_know_the_password_may_come_at_once(attempt):
    answers = at_once(12, lambda _: attempt(password="alice"))

    assert {answer.status_code for answer in answers} == {200}
