"""Walk through a rotation of the signing keys, as those see it who verify tokens (case 95)."""

import os
import subprocess
import sys
from threading import Event, current_thread

import pytest
from sqlalchemy import select

from chassis.background import Background
from chassis.config import ServiceConfig
from chassis.errors import Unauthenticated
from chassis.inbound.app import AUDIENCE
from chassis.inbound.keyset import RemoteKeySet
from chassis.inbound.tokens import TokenVerifier
from chassis.testing import bearer
from chassis.tests.threads import join_threads
from services.auth.models import StoredKey
from services.auth.rotation import READ_SECONDS
from tests.resilience.at_once import at_once
from tests.waiting import wait_until

from .conftest import Premises

KEY_SET = "/.well-known/jwks.json"
DAY, MONTH = 86400, 30 * 86400
# KEY_SET_SECONDS, ACCESS_TOKEN_SECONDS and the margin of each.
PUBLISHED, OVERLAP = 310, 610


class Copy:
    """Be one process of auth, whose background is played here."""

    def __init__(self, app):
        self.app = app
        self.desk = app.extensions["desk"]
        self.ring = self.desk.key_ring
        self.runner = app.test_cli_runner()
        app.extensions["background"][-1].stop()

    def issue(self):
        return self.desk.issuer.issue("user-1").access_token

    def published(self):
        keys = self.app.test_client().get(KEY_SET).json["keys"]
        return [key["kid"] for key in keys]

    def rotate(self, *options):
        done = self.runner.invoke(args=["rotate-keys", *options])
        assert done.exit_code == 0, done.output
        return done.output


class Verifier:
    """Be a service that verifies tokens with the key set that it keeps."""

    def __init__(self, copy, clock):
        self.client, self.has_answered = copy.app.test_client(), Event()
        config = ServiceConfig.from_environ({})
        key_set = RemoteKeySet(self.fetch, config, clock)
        name = {"issuer": config.issuer, "audience": AUDIENCE}
        self.verifier = TokenVerifier(key_set, **name, clock=clock)

    def fetch(self, path):
        # In the background it takes longer than the request that has caused it.
        if current_thread().name == "key-set":
            self.has_answered.wait()
        return self.client.get(path).json

    def accepts(self, token):
        self.has_answered.clear()
        try:
            self.verifier.verify(token)
        except Unauthenticated:
            return False
        finally:
            self.has_answered.set()
            join_threads("key-set")
        return True


@pytest.fixture
def clock(premises):
    return premises.clock


@pytest.fixture
def open_copy(premises):
    def open_copy():
        settings = {"KEY_ROTATION_SECONDS": str(MONTH), "AUTH_USERS_FILE": "none"}
        return Copy(premises.open(**settings))

    return open_copy


@pytest.fixture
def auth(open_copy):
    return open_copy()


def signs_with(copy):
    return copy.ring.signing_key.key_id


def stored(copy):
    with copy.desk.database.read() as session:
        return session.scalars(select(StoredKey.key_id).order_by(StoredKey.generation)).all()


def pass_time(copies, clock, seconds, step=None):
    for _ in range(int(seconds / (step or seconds))):
        clock.advance(step or seconds)
        for copy in copies:
            copy.ring.keep_up()


def test_no_valid_token_is_refused_while_keys_change(auth, open_copy, clock):
    """With verifiers that fetched at any moment before, busy ones and one that nobody asks."""
    copies, life = [auth, open_copy()], auth.desk.issuer._life_seconds
    verifiers = []
    for n in range(6):
        verifiers.append(Verifier(copies[n % 2], clock))
        verifiers[-1].accepts(auth.issue())
        pass_time(copies, clock, 50)
    idle, first = verifiers.pop(), signs_with(auth)
    auth.rotate()
    tokens, keys, refused = [], set(), 0

    for second in range(0, PUBLISHED + OVERLAP + 100, 10):
        tokens += [(copy.issue(), clock.now().timestamp() + life) for copy in copies]
        keys |= {signs_with(copy) for copy in copies}
        tokens = [pair for pair in tokens if pair[1] > clock.now().timestamp()]
        asked = [idle] if second == PUBLISHED + 20 else verifiers
        # The newest first, which has the idle one fetch.
        refused += sum(not v.accepts(token) for v in asked for token, _ in reversed(tokens))
        pass_time(copies, clock, 10, 5)

    assert refused == 0
    assert len(keys) == 2
    assert stored(auth) == auth.published() == copies[1].published() != [first]


def test_key_is_published_then_signs_and_the_one_before_goes(auth, clock):
    first = signs_with(auth)
    auth.rotate()
    second = auth.published()[-1]

    assert auth.published() == [first, second]
    pass_time([auth], clock, PUBLISHED - 1)
    assert signs_with(auth) == first
    pass_time([auth], clock, 1)
    assert signs_with(auth) == second
    pass_time([auth], clock, OVERLAP - 1)
    assert auth.published() == [first, second]
    pass_time([auth], clock, 1)
    assert auth.published() == stored(auth) == [second]


def test_token_of_a_key_that_is_gone_is_refused(premises, auth, clock):
    verifier, kept = Verifier(auth, clock), auth.ring.signing_key
    auth.rotate()
    for seconds in (PUBLISHED, OVERLAP):
        pass_time([auth], clock, seconds)
    issuer = auth.desk.issuer
    issuer._key_ring = type("Leaked", (), {"signing_key": kept})
    forged = issuer.issue("user-1").access_token

    clock.advance(310)

    assert not verifier.accepts(forged)
    client = auth.app.test_client()
    assert client.get("/api/v1/auth/me", headers=bearer(forged)).status_code == 401


def test_next_key_is_made_when_the_newest_is_a_month_old(auth, clock):
    pass_time([auth], clock, MONTH - 1)
    assert len(auth.published()) == 1

    pass_time([auth], clock, DAY, 600)

    assert stored(auth) == [signs_with(auth)]
    with auth.desk.database.read() as session:
        assert session.scalar(select(StoredKey.generation)) == 2


@pytest.mark.usefixtures("many_at_once")
def test_copies_agree_on_the_next_key(auth, open_copy, clock):
    copies = [auth, open_copy(), open_copy()]
    clock.advance(MONTH)

    at_once(3, lambda n: copies[n].ring.keep_up())
    pass_time(copies, clock, 2)

    assert len(stored(auth)) == 2
    assert all(copy.published() == stored(auth) for copy in copies)


@pytest.mark.usefixtures("many_at_once")
@pytest.mark.parametrize("at_once_too", [False, True])
def test_commands_at_once_each_make_a_key(auth, open_copy, at_once_too):
    copies = [auth, open_copy()]

    made = at_once(2, lambda n: copies[n].ring.rotate(at_once=at_once_too).key_id)

    assert len(set(made)) == 2
    left = stored(auth)
    assert set(left) <= set(made) if at_once_too else set(made) <= set(left)
    assert len(left) == (1 if at_once_too else 3)


def test_restart_goes_on_where_it_was(auth, open_copy, clock):
    first = signs_with(auth)
    auth.rotate()
    pass_time([auth], clock, 200)

    again = open_copy()

    assert (signs_with(again), len(again.published())) == (first, 2)
    pass_time([again], clock, PUBLISHED - 200)
    assert signs_with(open_copy()) == signs_with(again) != first
    pass_time([again], clock, OVERLAP)
    assert open_copy().published() == [signs_with(again)]


def test_running_copy_notices_within_seconds(auth, open_copy):
    other = open_copy()
    auth.rotate()
    noticing = Background("the test", other.ring.keep_up, READ_SECONDS / 100)

    wait_until(lambda: len(other.published()) == 2)

    noticing.stop()
    assert READ_SECONDS <= 5


def test_emergency_drops_the_others_at_once(auth, open_copy, clock):
    other, verifier = open_copy(), Verifier(auth, clock)
    old = auth.issue()
    assert verifier.accepts(old)

    said = auth.rotate("--now")
    other.ring.keep_up()

    new = auth.issue()
    assert auth.published() == other.published() == stored(auth) == [signs_with(auth)]
    assert clock.now().strftime("signs from %Y-%m-%dT%H:%M:%SZ") in said
    for copy in (auth, other):
        client = copy.app.test_client()
        assert client.get("/api/v1/auth/me", headers=bearer(old)).status_code == 401
    clock.advance(301)
    verifier.accepts(old)
    assert (verifier.accepts(old), verifier.accepts(new)) == (False, True)


def test_command_says_from_when_the_key_signs(auth, clock):
    said = auth.rotate()

    clock.advance(PUBLISHED)
    assert said == f"auth: key {stored(auth)[1]} signs from {clock.now():%Y-%m-%dT%H:%M:%SZ}\n"


def test_command_says_what_it_lacks(auth):
    auth.ring._keys = ()

    done = auth.runner.invoke(args=["rotate-keys"])

    assert done.exit_code == 1
    assert done.output == "Error: There is no signing key yet; the log says why.\n"


def test_command_of_another_process_is_taken_over(tmp_path):
    premises = Premises(tmp_path, f"sqlite:///{tmp_path}/auth.sqlite3")
    auth = Copy(premises.open(AUTH_USERS_FILE="none"))
    environ = {
        "PATH": os.environ["PATH"],
        "SHOP_DATA_DIR": str(premises.folder),
        "AUTH_USERS_FILE": "none",
    }
    command = [sys.executable, "-m", "flask", "--app", "services.auth", "rotate-keys"]

    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    # That process goes by the real clock.
    auth.ring.load()
    assert auth.published()[1] in done.stdout
    premises.close()


def test_key_set_has_nothing_private_and_may_be_kept(auth):
    auth.rotate()

    answer = auth.app.test_client().get(KEY_SET)

    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert [key.keys() for key in answer.json["keys"]] == [
        {"kty", "crv", "x", "kid", "use", "alg"}
    ] * 2


def test_most_turns_only_read(auth, monkeypatch):
    monkeypatch.setattr(auth.desk.database, "write", None)

    auth.ring.keep_up()


def test_key_of_before_there_was_rotation_is_rotated(auth, clock):
    clock.advance(5 * MONTH)
    old = auth.issue()

    auth.ring.keep_up()

    assert len(auth.published()) == 2
    assert Verifier(auth, clock).accepts(old)


def test_rotations_are_noted(premises, auth, clock):
    auth.rotate()
    pass_time([auth], clock, MONTH)

    noted = [line for line in premises.log() if line.get("event") == "keys.rotated"]

    assert [line["key_id"] for line in noted] == stored(auth)[-2:]
