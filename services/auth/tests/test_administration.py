"""Let operators disable users and set their roles, and leave the shop somebody who runs it."""

import pytest
from sqlalchemy import select, update

from chassis.testing import bearer
from services.auth import sessions
from services.auth.models import Delay, Guess, LoginSession, User
from tests.resilience.at_once import at_once

from .test_log_in import without_request_id

OPERATOR, CUSTOMER = ["operator"], ["customer"]
SEEDED = {"admin": ["customer", "operator"], "alice": CUSTOMER, "bob": CUSTOMER}


@pytest.fixture
def desk(app):
    return app.extensions["desk"]


@pytest.fixture(autouse=True)
def as_seeded(cheap_passwords, desk):
    """Begin where everybody may sign in, and admin alone runs the shop."""
    with desk.database.write() as session:
        for table in (LoginSession, Guess, Delay):
            session.query(table).delete()
        for username, roles in SEEDED.items():
            theirs = update(User).where(User.username == username)
            session.execute(theirs.values(roles=roles, disabled_at=None))


@pytest.fixture
def ids(desk):
    with desk.database.read() as session:
        return dict(session.execute(select(User.username, User.id)).all())


@pytest.fixture
def client(app):
    return app.test_client(use_cookies=False)


@pytest.fixture
def sign_in(client):
    def sign_in(username, password=None):
        body = {"username": username, "password": password or username}
        return client.post("/api/v1/auth/login", json=body)

    return sign_in


@pytest.fixture
def ask(app, desk, ids):
    """Return a function that asks for something, as an operator or whoever is named."""

    def ask(method, path, who="admin", roles=OPERATOR, **body):
        token = desk.issuer.issue(ids[who], roles=roles).access_token
        url = f"/api/v1/auth/users/{path}"
        headers = bearer(token)
        return app.test_client(use_cookies=False).open(url, method=method, headers=headers, **body)

    return ask


@pytest.fixture
def disable(ask, ids):
    return lambda name, who="admin": ask("POST", f"{ids[name]}/disable", who)


@pytest.fixture
def set_roles(ask, ids):
    def set_roles(name, roles, who="admin"):
        return ask("PUT", f"{ids[name]}/roles", who, json={"roles": roles})

    return set_roles


def code_of(answer):
    return answer.status_code, answer.json["code"]


def operators(desk):
    with desk.database.read() as session:
        users = session.scalars(select(User).where(User.disabled_at.is_(None))).all()
    return {user.username for user in users if "operator" in user.roles}


def test_user_is_described(ask, ids):
    assert ask("GET", ids["alice"]).json == {
        "id": ids["alice"],
        "username": "alice",
        "email": "alice@example.com",
        "roles": CUSTOMER,
        "disabled": False,
    }


def test_disabled_user_is_answered_as_with_a_wrong_password(sign_in, disable):
    wrong = sign_in("alice", "wrong")

    answer = disable("alice")

    assert (answer.status_code, answer.json["disabled"]) == (200, True)
    right = sign_in("alice")
    assert (right.status_code, right.json["code"]) == (401, "invalid_credentials")
    assert without_request_id(right) == without_request_id(wrong)
    assert [name for name, _ in right.headers] == [name for name, _ in wrong.headers]


def test_password_of_a_disabled_user_is_hashed_all_the_same(sign_in, disable, desk, monkeypatch):
    disable("alice")
    checked = []
    submit = desk.hasher._threads.submit

    def count(*call):
        checked.append(call)
        return submit(*call)

    monkeypatch.setattr(desk.hasher._threads, "submit", count)

    for username in ("alice", "nobody"):
        sign_in(username, "alice")

    # A right password is not even looked at, which could take longer.
    assert [hashed for _, hashed, _ in checked] == [desk.hasher._decoy] * 2


def test_disabled_user_has_no_session_any_more(client, sign_in, disable):
    alices, bobs = sign_in("alice").json, sign_in("bob").json

    disable("alice")

    def refresh(tokens):
        body = {"refresh_token": tokens["refresh_token"]}
        return client.post("/api/v1/auth/refresh", json=body)

    assert code_of(refresh(alices)) == (401, "session_over")
    assert refresh(bobs).status_code == 200
    me = client.get("/api/v1/auth/me", headers=bearer(alices["access_token"]))
    assert code_of(me) == (401, "invalid_token")


def test_enabled_user_signs_in_again(ask, ids, sign_in, disable, client):
    before = sign_in("alice").json
    disable("alice")

    answer = ask("POST", f"{ids['alice']}/enable")

    assert (answer.status_code, answer.json["disabled"]) == (200, False)
    assert sign_in("alice").status_code == 200
    body = {"refresh_token": before["refresh_token"]}
    assert client.post("/api/v1/auth/refresh", json=body).status_code == 401


def test_commands_are_safe_to_repeat(ask, ids, disable, set_roles):
    for act in (
        lambda: disable("alice"),
        lambda: set_roles("alice", ["operator", "customer"]),
        lambda: ask("POST", f"{ids['alice']}/enable"),
    ):
        first, second = act(), act()
        assert (first.status_code, first.json) == (200, second.json)


def test_somebody_who_is_disabled_while_they_sign_in_does_not_get_in(sign_in, disable, desk):
    matches = desk.hasher.matches

    def disable_and_match(*arguments, **options):
        disable("alice")
        return matches(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(desk.hasher, "matches", disable_and_match)
        assert sign_in("alice").status_code == 401


def test_new_roles_are_in_the_next_token(client, sign_in, set_roles, ask):
    tokens = sign_in("alice").json

    answer = set_roles("alice", ["operator", "customer"])

    assert (answer.status_code, answer.json["roles"]) == (200, ["customer", "operator"])
    body = {"refresh_token": tokens["refresh_token"]}
    token = client.post("/api/v1/auth/refresh", json=body).json["access_token"]
    path = f"/api/v1/auth/users/{answer.json['id']}"
    assert client.get(path, headers=bearer(token)).status_code == 200


def test_access_tokens_go_with_the_roles_that_are_in_them(set_roles, monkeypatch, ids):
    renewed = []
    monkeypatch.setattr(sessions, "renew_access", lambda _, user_id, now: renewed.append(user_id))

    for roles in (CUSTOMER, OPERATOR, OPERATOR):
        set_roles("alice", roles)

    assert renewed == [ids["alice"]]


@pytest.mark.parametrize(
    "roles",
    [
        [], ["admin"], ["customer", "customer"], ["Operator"], [None], [["customer"]],
        "customer", None,
    ],
)  # fmt: skip
def test_roles_that_are_none_are_invalid(set_roles, roles):
    answer = set_roles("alice", roles)

    assert code_of(answer) == (422, "invalid")
    assert answer.json["errors"].keys() == {"roles"}


@pytest.mark.parametrize("user_id", ["nobody", "0" * 32, "x" * 500, "%00", "A" * 32])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", {}),
        ("POST", "/disable", {}),
        ("POST", "/enable", {}),
        ("PUT", "/roles", {"json": {"roles": CUSTOMER}}),
    ],
)
def test_unknown_user_is_not_found(ask, method, path, body, user_id):
    assert code_of(ask(method, f"{user_id}{path}", **body)) == (404, "user_not_found")


def test_last_operator_who_may_sign_in_stays(disable, set_roles, sign_in, desk):
    set_roles("bob", OPERATOR)
    disable("bob")

    for answer in (disable("admin"), set_roles("admin", CUSTOMER)):
        assert code_of(answer) == (409, "last_operator")

    assert operators(desk) == {"admin"}
    assert sign_in("admin").status_code == 200
    assert set_roles("admin", OPERATOR).status_code == 200
    assert set_roles("bob", CUSTOMER).status_code == 200


def test_disabled_operator_is_no_reason_to_erase_the_last(disable, set_roles, desk, app, ids):
    set_roles("bob", OPERATOR)
    disable("bob")
    token = desk.issuer.issue("service:accounts", scopes=["users:erase"]).access_token

    path = f"/internal/users/{ids['admin']}/erase"
    answer = app.test_client(use_cookies=False).post(path, headers=bearer(token))

    assert code_of(answer) == (409, "last_operator")


@pytest.mark.usefixtures("many_at_once")
@pytest.mark.parametrize("action", ["disable", "demote"])
def test_of_two_operators_who_leave_at_once_one_stays(disable, set_roles, desk, action):
    set_roles("bob", OPERATOR)
    names = ["admin", "bob"]

    def leave(n):
        if action == "disable":
            return disable(names[n], who=names[n])
        return set_roles(names[n], CUSTOMER, who=names[n])

    answers = at_once(2, leave)

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert len(operators(desk)) == 1


@pytest.mark.usefixtures("many_at_once")
def test_of_two_operators_who_demote_each_other_one_stays(set_roles, desk):
    set_roles("bob", OPERATOR)
    names = ["admin", "bob"]

    answers = at_once(2, lambda n: set_roles(names[1 - n], CUSTOMER, who=names[n]))

    assert sorted(answer.status_code for answer in answers) == [200, 403]
    assert len(operators(desk)) == 1


@pytest.mark.parametrize("why", ["disabled", "demoted"])
def test_operator_who_is_one_no_longer_changes_nothing(disable, set_roles, desk, why):
    set_roles("bob", OPERATOR)
    disable("bob") if why == "disabled" else set_roles("bob", CUSTOMER)

    for answer in (set_roles("bob", OPERATOR, who="bob"), disable("admin", who="bob")):
        assert code_of(answer) == (403, "forbidden")
    assert operators(desk) == {"admin"}


def test_what_operators_do_is_noted(shared_premises, disable, set_roles, ask, ids):
    before = len(shared_premises.log())

    disable("alice")
    ask("POST", f"{ids['alice']}/enable")
    set_roles("alice", OPERATOR)
    set_roles("alice", CUSTOMER)
    disable("admin")

    audited = [line for line in shared_premises.log()[before:] if line["logger"] == "audit"]
    assert {line["user"] for line in audited} == {ids["admin"]}
    noted = [(line["event"], line["outcome"], line["subject"]) for line in audited]
    assert noted == [
        ("user.disabled", "allowed", ids["alice"]),
        ("user.enabled", "allowed", ids["alice"]),
        ("user.roles", "allowed", ids["alice"]),
        ("user.roles", "allowed", ids["alice"]),
        ("user.disabled", "refused", ids["admin"]),
    ]
    assert [line.get("roles") for line in audited] == [None, None, OPERATOR, CUSTOMER, None]
    assert audited[-1]["reason"] == "last_operator"
