import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from chassis.inbound.keyset import parse_key_set
from chassis.testing import START, FakeClock, bearer
from services.auth.keys import KeyRing, thumbprint
from services.auth.models import Base, StoredKey
from services.auth.rotation import Schedule
from storage.database import Database

from .conftest import Premises

KEY_SET = "/.well-known/jwks.json"
ALICE = {"username": "alice", "password": "alice"}


@pytest.fixture
def pair(databases, tmp_path):
    """Open one database twice, as two processes have it."""
    with databases.lend("auth_keys", tmp_path) as url:
        pair = [Database(url) for _ in range(2)]
        pair[0].create_all(Base.metadata)
        yield pair
        for database in pair:
            database.close()


def ring_of(database):
    clock, schedule = FakeClock(), Schedule(*(timedelta(seconds=n) for n in (300, 600, 86400)))
    return KeyRing(database, clock, schedule), clock


def add_key(database, generation):
    key = Ed25519PrivateKey.generate()
    row = StoredKey(
        generation=generation,
        key_id=thumbprint(key.public_key()),
        private_key=key.private_bytes_raw(),
        created_at=START,
    )
    with database.write() as session:
        session.add(row)


def test_key_id_is_the_thumbprint_of_rfc_8037():
    x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    key = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(f"{x}="))

    assert thumbprint(key) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_key_set_holds_the_public_half_and_nothing_private(client, app):
    key = app.extensions["desk"].key_ring.signing_key

    keys = client.get(KEY_SET).json["keys"]

    assert len(keys) == 1
    assert keys[0].keys() == {"kty", "crv", "x", "kid", "use", "alg"}
    raw = base64.urlsafe_b64decode(f"{keys[0]['x']}=")
    assert raw == key.private_key.public_key().public_bytes_raw()


def test_key_set_is_what_other_services_read(client, app):
    read = parse_key_set(client.get(KEY_SET).json)

    assert read == app.extensions["desk"].key_ring.keys()


def test_key_set_may_be_kept_as_long_as_services_keep_it(client):
    assert client.get(KEY_SET).headers["Cache-Control"] == "public, max-age=300"


def test_tokens_outlive_a_restart(premises):
    token = premises.open().test_client().post("/api/v1/auth/login", json=ALICE).json
    again = premises.open().test_client()

    answer = again.get("/api/v1/auth/me", headers=bearer(token["access_token"]))

    assert answer.json["username"] == "alice"


def test_shops_have_different_keys(pair, tmp_path):
    other = Database(f"sqlite:///{tmp_path}/other.sqlite3")
    other.create_all(Base.metadata)
    rings = [ring_of(database)[0] for database in (pair[0], other)]
    for ring in rings:
        ring.load()
    other.close()

    assert rings[0].signing_key.key_id != rings[1].signing_key.key_id


def test_two_processes_that_start_at_once_agree_on_one_key(pair, monkeypatch):
    both_have_looked = Barrier(2, timeout=10)
    read = KeyRing._read

    def read_together(ring):
        keys = read(ring)
        if not keys:
            both_have_looked.wait()
        return keys

    monkeypatch.setattr(KeyRing, "_read", read_together)
    rings = [ring_of(database)[0] for database in pair]
    with ThreadPoolExecutor() as threads:
        list(threads.map(KeyRing.load, rings))

    assert rings[0].signing_key.key_id == rings[1].signing_key.key_id
    assert len(rings[0].keys()) == 1


def test_newest_key_that_verifiers_have_signs_and_all_are_published(pair):
    for generation in (1, 3, 2):
        add_key(pair[0], generation)

    ring, clock = ring_of(pair[0])
    ring.load()

    published = [key["kid"] for key in ring.jwks()["keys"]]
    assert published == list(ring.keys())
    assert len(published) == 3
    assert ring.signing_key.key_id == published[0]
    clock.advance(310)
    assert ring.signing_key.key_id == published[-1]


def test_token_of_the_key_before_is_still_good(premises):
    app = premises.open()
    client = app.test_client()
    client.post("/auth", json=ALICE)
    ring, first = app.extensions["desk"].key_ring, app.extensions["desk"].key_ring.signing_key
    add_key(app.extensions["desk"].database, 2)

    ring.load()
    premises.clock.advance(310)

    assert ring.signing_key != first
    assert client.get("/api/v1/auth/me").status_code == 200


def test_only_this_user_can_read_the_file_with_the_key(tmp_path):
    premises = Premises(tmp_path, f"sqlite:///{tmp_path}/auth.sqlite3")
    premises.open()

    modes = {stat.S_IMODE(path.stat().st_mode) for path in premises.folder.glob("auth.sqlite3*")}
    premises.close()

    assert modes == {0o600}
