"""Open the auth service on databases of its own, with the users that come with the shop."""

import json
import queue
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import delete

from chassis.testing import FakeClock
from services.auth import create_app
from services.auth.clients import Clients
from services.auth.config import Config
from services.auth.models import Delay, Device, Guess, LoginSession, OutboxEvent, Revocation
from services.auth.passwords import PasswordHasher
from tests.resilience import rounds

USERS_FILE = Path(__file__).parents[3] / "users.json"
CLIENT_SECRET = "the-secret-of-orders"
# And where the machine is busy, nobody gives up.
CHEAP = partial(PasswordHasher, memory_kib=64, passes=1, wait_seconds=30)


def pytest_generate_tests(metafunc):
    rounds.parametrize(metafunc, ())


class FakeSubscriber:
    """Take events, or raise ``error``."""

    def __init__(self):
        self.taken = queue.Queue()
        self.error = None

    def deliver(self, envelope):
        if self.error:
            raise self.error
        self.taken.put(envelope)

    def forget(self):
        self.taken, self.error = queue.Queue(), None

    def next(self, kind):
        """Return the next event of a type, and pass over those of other types."""
        while (envelope := self.taken.get(timeout=5))["type"] != kind:
            pass
        return envelope


class Premises:
    """Open applications on one data folder, one after the other or side by side."""

    def __init__(self, folder, database_url):
        self.folder = folder
        self.database_url = database_url
        self.clock = FakeClock()
        self.subscriber = FakeSubscriber()
        self.apps = []
        (folder / "secrets").mkdir()
        (folder / "secrets/orders").write_text(f"{CLIENT_SECRET}\n")

    def open(self, **environ):
        settings = {
            "SHOP_DATA_DIR": str(self.folder),
            "AUTH_DATABASE_URL": self.database_url,
            "AUTH_USERS_FILE": str(USERS_FILE),
            "SHOP_MIGRATE": "auto",
            "RELAY_SECONDS": "3600",
            # Tests let months pass; those of the rotation say when.
            "KEY_ROTATION_SECONDS": "1e12",
            **environ,
        }
        app = create_app(
            Config.from_environ(settings),
            clock=self.clock,
            connect=lambda *_: Clients(self.subscriber),
        )
        self.apps.append(app)
        return app

    def write_users(self, *entries):
        path = self.folder / "my-users.json"
        path.write_text(json.dumps(entries))
        return str(path)

    def log(self):
        lines = (self.folder / "log/auth.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def close(self):
        for app in self.apps:
            for chore in app.extensions["background"]:
                chore.stop()
            app.extensions["desk"].database.close()


@pytest.fixture
def premises(databases, tmp_path, monkeypatch):
    """Open shops of one's own, where a password costs little, since each start hashes several."""
    monkeypatch.setattr("services.auth.app.PasswordHasher", CHEAP)
    with databases.lend("auth", tmp_path) as url:
        premises = Premises(tmp_path, url)
        yield premises
        premises.close()


@pytest.fixture
def usual_passwords(premises, monkeypatch):
    """Let a password cost as much as in a real shop."""
    monkeypatch.setattr("services.auth.app.PasswordHasher", PasswordHasher)


@pytest.fixture(scope="module")
def cheap_passwords():
    """Let a password cost little in the application that tests share."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("services.auth.app.PasswordHasher", CHEAP)
        yield


@pytest.fixture
def quiet(app, shared_premises):
    """Begin where nobody guesses, nobody is known and nothing waits to be told."""
    shared_premises.clock.advance(86400)
    with app.extensions["desk"].database.write() as session:
        for table in (Guess, Delay, Device, LoginSession, OutboxEvent, Revocation):
            session.execute(delete(table))
    shared_premises.subscriber.forget()


@pytest.fixture(scope="module")
def shared_premises(databases, tmp_path_factory):
    folder = tmp_path_factory.mktemp("auth")
    with databases.lend("auth", folder) as url:
        premises = Premises(folder, url)
        yield premises
        premises.close()


@pytest.fixture(scope="module")
def app(shared_premises):
    """Share an application among tests that leave it as it was."""
    return shared_premises.open()


@pytest.fixture
def clock(shared_premises):
    return shared_premises.clock


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture
def log_in(client):
    """Return a function that logs somebody in and gives the access token."""

    def log_in(username="alice"):
        credentials = {"username": username, "password": username}
        return client.post("/api/v1/auth/login", json=credentials).json["access_token"]

    return log_in
