"""Operate the service from a terminal."""

import uuid

import pytest
from click.testing import CliRunner

from services.orders import cli
from tests.system.whole_shop import PORT, whole_shop
from tests.system.wsgi_adapter import WSGIAdapter


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the command beside a whole shop."""
    monkeypatch.setenv("SHOP_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("PORT", str(PORT))
    with whole_shop(tmp_path, LOG_LEVEL="ERROR") as shop:
        hosts = {f"127.0.0.1:{PORT + 1}": shop.apps["auth"]}
        hosts[f"127.0.0.1:{PORT + 4}"] = shop.apps["orders"]

        class JoinedClient(cli.ServiceClient):
            def __init__(self, *args, **options):
                super().__init__(*args, **options, transport=WSGIAdapter(hosts))

        monkeypatch.setattr(cli, "ServiceClient", JoinedClient)
        yield lambda *arguments: CliRunner().invoke(cli.main, arguments)


def test_operations_are_printed(run):
    result = run("operations")

    assert result.exit_code == 0
    assert '"service": "orders"' in result.stdout
    assert '"products": {\n      "state": "closed"\n    }' in result.stdout


def test_what_is_no_dead_letter_can_not_be_retried(run):
    result = run("retry", str(uuid.uuid4()))

    assert result.exit_code == 1
    assert result.stderr == "Error: There is no such dead letter.\n"


def test_failure_is_told_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("SHOP_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("AUTH_URL", "http://127.0.0.1:1")

    result = CliRunner().invoke(cli.main, ["operations"])

    assert result.exit_code == 1
    assert result.stderr == "Error: This service can't identify itself to others now.\n"
