import pytest
from sqlalchemy import select

from chassis.config import ConfigError
from services.auth import seed
from services.auth.models import User
from services.auth.passwords import PasswordHasher

WEAK = PasswordHasher(memory_kib=8, passes=1)
OLGA = {"username": "Olga", "email": "Olga@example.com", "password_hash": WEAK.hash("a-secret")}


def users_of(app):
    with app.extensions["desk"].database.read() as session:
        return {user.username: user for user in session.scalars(select(User))}


def status_of_log_in(app, username, password):
    credentials = {"username": username, "password": password}
    return app.test_client().post("/auth", json=credentials).status_code


def refusal_of(premises, **environ):
    with pytest.raises(ConfigError) as refusal:
        premises.open(**environ)
    return str(refusal.value)


@pytest.mark.parametrize(
    ("username", "roles"), [("admin", ["operator"]), ("alice", ["customer"]), ("bob", ["customer"])]
)
def test_demo_users_have_their_name_as_password(app, username, roles):
    assert status_of_log_in(app, username, username) == 200
    assert users_of(app)[username].roles == roles


def test_ids_are_not_guessable(app):
    ids = {user.id for user in users_of(app).values()}

    assert {len(id_) for id_ in ids} == {32}


def test_users_come_from_the_file_at_the_first_start_only(premises):
    ids = {user.id for user in users_of(premises.open()).values()}

    again = premises.open(AUTH_USERS_FILE=premises.write_users(OLGA))

    assert {user.id for user in users_of(again).values()} == ids


def test_two_processes_that_start_at_once_bring_them_in_once(premises, monkeypatch):
    demo_users = users_of(premises.open()).keys()
    monkeypatch.setattr(seed, "_has_users", lambda _: False)

    late = premises.open()

    assert users_of(late).keys() == demo_users
    assert status_of_log_in(late, "alice", "alice") == 200


def test_several_users_may_have_no_mail_address(premises):
    entries = [{"username": name, "password": "x"} for name in ("carol", "dave")]

    app = premises.open(AUTH_USERS_FILE=premises.write_users(*entries))

    assert users_of(app).keys() == {"carol", "dave"}


def test_users_file_of_the_working_folder_is_found(premises, monkeypatch):
    monkeypatch.chdir(premises.folder)
    (premises.folder / "users.json").write_text('[{"username": "eve", "password": "x"}]')

    assert users_of(premises.open(AUTH_USERS_FILE="")).keys() == {"eve"}


def test_there_are_no_users_without_a_file(premises, monkeypatch):
    monkeypatch.chdir(premises.folder)

    assert users_of(premises.open(AUTH_USERS_FILE="")) == {}
    assert premises.log()[-1]["message"] == "there are no users, and AUTH_USERS_FILE names none"


@pytest.mark.usefixtures("usual_passwords")
def test_plain_password_as_in_the_articles_is_accepted_and_hashed(premises):
    users = premises.write_users({"id": 7, "username": "carol", "password": "potion"})

    app = premises.open(AUTH_USERS_FILE=users)

    assert status_of_log_in(app, "carol", "potion") == 200
    carol = users_of(app)["carol"]
    assert carol.password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert (carol.email, carol.roles) == (None, ["customer"])


def test_plain_password_is_warned_about_but_not_shown(premises):
    users = premises.write_users({"username": "carol", "password": "potion"})

    premises.open(AUTH_USERS_FILE=users)

    warning = next(line for line in premises.log() if line["level"] == "WARNING")
    assert "carol" in warning["message"]
    assert "hash-password" in warning["message"]
    assert "potion" not in (premises.folder / "log/auth.jsonl").read_text()


@pytest.mark.usefixtures("usual_passwords")
def test_weak_hash_is_renewed_when_its_owner_logs_in(premises):
    app = premises.open(AUTH_USERS_FILE=premises.write_users(OLGA))

    first = status_of_log_in(app, "olga", "a-secret")

    renewed = users_of(app)["Olga"].password_hash
    assert renewed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert (first, status_of_log_in(app, "olga", "a-secret")) == (200, 200)
    assert users_of(app)["Olga"].password_hash == renewed


def test_weak_hash_stays_when_somebody_else_tries(premises):
    app = premises.open(AUTH_USERS_FILE=premises.write_users(OLGA))

    assert status_of_log_in(app, "olga", "another") == 401
    assert users_of(app)["Olga"].password_hash == OLGA["password_hash"]


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ({"username": "no"}, "username"),
        ({"username": "a" * 65}, "username"),
        ({"username": "olga maria"}, "username"),
        ({"username": "ölga"}, "username"),
        ({"username": 7}, "username"),
        ({"username": None}, "username"),
        ({"email": "olga"}, "email"),
        ({"email": f"{'a' * 254}@b"}, "email"),
        ({"roles": "operator"}, "roles"),
        ({"roles": ["king"]}, "roles"),
        ({"password_hash": "secret"}, "argon2id"),
        ({"password_hash": "$2b$12$abcdefghijklmnopqrstuv"}, "argon2id"),
        ({"password_hash": "$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA"}, "argon2id"),
        ({"password_hash": OLGA["password_hash"][:-2]}, "damaged"),
        ({"password_hash": None}, "password"),
        ({"password": "and a plain one"}, "password"),
        ({"password_hash": None, "password": ""}, "password"),
        ({"password_hash": None, "password": "x" * 1025}, "password"),
        ({"is_admin": True}, "is_admin"),
        ({"username": "BOB"}, "username"),
        ({"email": "BOB@example.com"}, "email"),
    ],
)
def test_entry_that_cannot_be_used_is_named(premises, entry, complaint):
    bob = {"username": "bob", "email": "bob@example.com", "password_hash": OLGA["password_hash"]}
    users = premises.write_users(bob, OLGA | entry)

    message = refusal_of(premises, AUTH_USERS_FILE=users)

    name = (OLGA | entry)["username"] or "without a name"
    assert message.startswith(f"AUTH_USERS_FILE: {users}: entry 2 ({name}): ")
    assert complaint in message


def test_everything_that_is_wrong_is_named_at_once(premises):
    users = premises.write_users({"username": "x"}, OLGA, "olga")

    message = refusal_of(premises, AUTH_USERS_FILE=users)

    assert [line.split(": ")[2] for line in message.splitlines()] == [
        "entry 1 (x)",
        "entry 3 (without a name)",
    ]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "empty"),
        (b"[", "not valid JSON"),
        (b"{}", "expected a JSON array"),
        (b'[{"username": "a", "username": "b"}]', "duplicate"),
        (b"\xff", "UTF-8"),
        (None, "can't be read (No such file or directory)"),
    ],
)
def test_file_that_cannot_be_read_is_one_clear_sentence(premises, content, complaint):
    path = premises.folder / "broken.json"
    if content is not None:
        path.write_bytes(content)

    message = refusal_of(premises, AUTH_USERS_FILE=str(path))

    assert message.startswith(f"AUTH_USERS_FILE: {path}: ")
    assert complaint in message
    assert "\n" not in message


def test_nothing_is_stored_when_an_entry_cannot_be_used(premises):
    refusal_of(premises, AUTH_USERS_FILE=premises.write_users(OLGA, {}))

    assert users_of(premises.open(AUTH_USERS_FILE="none")) == {}


def test_production_refuses_the_demo_users_of_the_file(premises):
    message = refusal_of(premises, SHOP_ENV="production")

    assert "admin, alice, bob" in message
    assert "set AUTH_USERS_FILE" in message


@pytest.mark.parametrize("password", [{"password": "admin"}, {"password_hash": WEAK.hash("admin")}])
def test_production_refuses_admin_admin_however_it_is_written(premises, password):
    users = premises.write_users(OLGA, {"username": "admin", "roles": ["operator"], **password})

    assert "admin" in refusal_of(premises, SHOP_ENV="production", AUTH_USERS_FILE=users)


def test_production_refuses_demo_users_from_an_earlier_start(premises):
    premises.open()

    message = refusal_of(premises, SHOP_ENV="production", AUTH_USERS_FILE="none")

    assert "demo users (admin, alice, bob)" in message
    assert "AUTH_DATABASE_URL" in message


def test_production_starts_with_users_of_its_own(premises):
    users = premises.write_users(OLGA)

    first, again = (premises.open(SHOP_ENV="production", AUTH_USERS_FILE=users) for _ in range(2))

    assert status_of_log_in(first, "olga", "a-secret") == 200
    assert status_of_log_in(again, "olga", "a-secret") == 200


def test_production_starts_without_users(premises):
    assert users_of(premises.open(SHOP_ENV="production", AUTH_USERS_FILE="none")) == {}
