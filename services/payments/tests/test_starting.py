"""Start without the record of the stand-in provider, and go on once it is there."""

from pathlib import Path

import pytest

from services.payments import create_app
from services.payments.clients import Clients, connect
from services.payments.config import Config


@pytest.fixture(params=["development", "production"])
def config(request, tmp_path, database_url, record_url):
    environ = {
        "SHOP_ENV": request.param,
        "SHOP_MIGRATE": "auto",
        "SHOP_DATA_DIR": str(tmp_path),
        "PAYMENTS_DATABASE_URL": database_url,
        "PAYMENTS_PROVIDER_DATABASE_URL": record_url,
        "PAYMENTS_WEBHOOK_SECRET": "s" * 32,
    }
    return Config.from_environ(environ)


@pytest.fixture
def record_url(databases, tmp_path):
    """Return where the record will be, and is not yet."""
    address = databases.create("record", tmp_path)
    databases.destroy(address)
    return address


@pytest.fixture
def provider(config, clock):
    provider = connect(config, clock).provider
    yield provider
    provider._database.close()


@pytest.fixture
def app(config, provider, mint, clock):
    app = create_app(config, clients=Clients(key_set=mint, provider=provider), clock=clock)
    for chore in app.extensions["background"]:
        chore.stop()
    yield app
    app.extensions["till"].database.close()


def bring_back(databases, address):
    """Put an empty database where one was destroyed."""
    if databases.kind == "sqlite":
        Path(address.removeprefix("sqlite:///")).rmdir()
    else:
        databases.restore(address)


def test_service_starts_without_the_record_and_its_payments_wait_for_it(
    app, client, orders, databases, record_url
):
    probes = [client.get("/healthz"), client.get("/readyz")]
    early = [orders.authorise(), orders.authorise()]
    bring_back(databases, record_url)
    late = orders.authorise()

    assert [answer.status_code for answer in probes] == [200, 200]
    assert [(answer.status_code, answer.json["status"]) for answer in early] == [
        (202, "pending"),
        (202, "pending"),
    ]
    assert (late.status_code, late.json["status"]) == (201, "authorised")
    assert late.json["id"] == early[0].json["id"]
