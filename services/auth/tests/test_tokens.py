import jwt
import pytest

from chassis.testing import START
from services.auth import service
from services.auth.errors import InvalidClient

NOW = int(START.timestamp())
ORDERS = {"client_id": "orders", "client_secret": "the-secret-of-orders"}


@pytest.fixture
def ask(client):
    """Return a function that asks for a service token."""
    return lambda **changes: client.post("/internal/tokens", json=ORDERS | changes)


def claims_of(token):
    return jwt.decode(token, options={"verify_signature": False})


def test_header_names_algorithm_type_and_key_and_nothing_else(app, log_in):
    key_id = app.extensions["desk"].key_ring.signing_key.key_id

    header = jwt.get_unverified_header(log_in())

    assert header == {"alg": "EdDSA", "typ": "at+jwt", "kid": key_id}


def test_token_says_no_more_about_a_person_than_ids_and_roles(log_in):
    claims = claims_of(log_in("admin"))

    assert {len(claims.pop(name)) for name in ("jti", "sub", "sid")} == {32}
    assert claims == {
        "iss": "potion-shop",
        "aud": "shop",
        "iat": NOW,
        "exp": NOW + 600,
        "roles": ["operator"],
    }


def test_token_names_the_issuer_of_the_settings(premises):
    client = premises.open(SHOP_ISSUER="another-shop").test_client()
    answer = client.post("/api/v1/auth/login", json={"username": "bob", "password": "bob"})

    assert claims_of(answer.json["access_token"])["iss"] == "another-shop"
    assert client.get("/api/v1/auth/me").status_code == 200


def test_service_gets_a_token_with_its_scopes(ask):
    answer = ask()

    assert answer.json.keys() == {"access_token", "token_type", "expires_in"}
    claims = claims_of(answer.json["access_token"])
    assert (claims["sub"], claims["roles"]) == ("service:orders", [])
    assert set(claims["scope"].split()) >= {"reservations:write", "payments:write"}


def test_service_token_comes_without_a_cookie(ask):
    assert "Set-Cookie" not in ask().headers


@pytest.mark.parametrize(
    "changes",
    [
        {"client_secret": "wrong"},
        {"client_secret": "the-secret-of-orders\n"},
        {"client_secret": "é"},
        {"client_id": "products"},
        {"client_id": "Orders"},
        {"client_id": "../secrets/orders"},
        {"client_id": "./orders"},
        {"client_id": "."},
    ],
)
def test_unknown_client_and_wrong_secret_are_answered_alike(ask, changes):
    expected = ask(client_id="nobody", client_secret="nothing")

    answer = ask(**changes)

    assert (answer.status_code, answer.json["code"]) == (401, "invalid_client")
    assert answer.json | {"request_id": 0} == expected.json | {"request_id": 0}
    assert set(answer.headers.keys()) == set(expected.headers.keys())


def test_file_that_a_stranger_names_is_not_even_read(shared_premises, ask):
    (shared_premises.folder / "secrets/nobody").write_bytes(b"\xff, which is no text")

    assert ask(client_id="nobody").status_code == 401


@pytest.mark.parametrize("changes", [{"client_id": ""}, {"client_secret": ""}, {"scope": "all"}])
def test_service_that_asks_wrongly_is_told_so(ask, changes):
    assert ask(**changes).status_code == 422


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_no_secret_opens_the_door_when_none_is_set(premises, content):
    client = premises.open().test_client()
    path = premises.folder / "secrets/orders"
    path.unlink() if content is None else path.write_text(content)

    answer = client.post("/internal/tokens", json=ORDERS | {"client_secret": " "})

    assert answer.json["code"] == "invalid_client"


def test_empty_secret_is_no_secret(premises):
    desk = premises.open().extensions["desk"]
    (premises.folder / "secrets/orders").write_text("")

    with pytest.raises(InvalidClient):
        service.issue_service_token(desk, "orders", "")


def test_new_secret_counts_at_once(premises):
    client = premises.open().test_client()
    (premises.folder / "secrets/orders").write_text("another")

    old = client.post("/internal/tokens", json=ORDERS)
    new = client.post("/internal/tokens", json=ORDERS | {"client_secret": "another"})

    assert (old.status_code, new.status_code) == (401, 200)
