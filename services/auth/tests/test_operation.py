import pytest

from chassis.config import ConfigError
from services.auth.config import Config


def test_it_is_ready_when_its_database_answers(client):
    assert client.get("/readyz").status_code == 200


def test_it_is_alive_but_not_ready_without_its_database(premises, databases):
    app = premises.open()
    app.extensions["desk"].database.close()
    databases.destroy(premises.database_url)
    client = app.test_client()

    answer = client.get("/readyz")

    assert (answer.status_code, answer.json["failing"]) == (503, ["database"])
    assert client.get("/healthz").status_code == 200


def test_hash_that_the_command_prints_goes_into_the_users_file(premises, databases):
    runner = premises.open().test_cli_runner()

    printed = runner.invoke(args=["hash-password"], input="a-secret\na-secret\n").output

    entry = {"username": "olga", "password_hash": printed.splitlines()[-1]}
    databases.empty(premises.database_url)
    client = premises.open(AUTH_USERS_FILE=premises.write_users(entry)).test_client()
    answer = client.post("/auth", json={"username": "olga", "password": "a-secret"})
    assert answer.status_code == 200


@pytest.mark.parametrize("seconds", ["0", "-1", "86401", "1.5", "NaN", "ten", "\uff11"])
def test_life_that_verifiers_would_refuse_is_no_setting(seconds):
    with pytest.raises(ConfigError, match="ACCESS_TOKEN_SECONDS"):
        Config.from_environ({"ACCESS_TOKEN_SECONDS": seconds})


def test_address_of_the_database_is_not_shown():
    config = Config.from_environ({"AUTH_DATABASE_URL": "postgresql://auth:hush@db/auth"})

    assert "hush" not in repr(config)


def test_every_operation_is_described(client):
    paths = client.get("/openapi.json").json["paths"]

    operations = {
        (path, method): operation
        for path, item in paths.items()
        for method, operation in item.items()
        if method != "parameters"
    }
    assert operations.keys() == {
        ("/auth", "post"),
        ("/api/v1/auth/register", "post"),
        ("/api/v1/auth/login", "post"),
        ("/api/v1/auth/refresh", "post"),
        ("/api/v1/auth/password", "post"),
        ("/api/v1/auth/me", "get"),
        ("/api/v1/auth/logout", "post"),
        ("/api/v1/auth/users/{user_id}", "get"),
        ("/api/v1/auth/users/{user_id}/disable", "post"),
        ("/api/v1/auth/users/{user_id}/enable", "post"),
        ("/api/v1/auth/users/{user_id}/roles", "put"),
        ("/.well-known/jwks.json", "get"),
        ("/internal/revocations", "get"),
        ("/internal/tokens", "post"),
        ("/internal/users/{user_id}/erase", "post"),
    }
    assert all(operation["summary"] for operation in operations.values())
