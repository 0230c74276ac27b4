"""Start without the database: production ends at once, development waits."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from services.accounts import create_app
from services.accounts.clients import Clients
from services.accounts.config import Config
from storage.database import EXIT_UNREACHABLE

from .fakes import FakeSubscriber, FakeUsers

ROOT = Path(__file__).parents[3]
# Nobody listens at this port.
AWAY = "postgresql://shop:hu5h@127.0.0.1:1/accounts"
SERVERS = {
    "gunicorn": (
        *("gunicorn", "-c", "python:chassis.inbound.serving", "--bind", "127.0.0.1:0"),
        "services.accounts:create_app()",
    ),
    "flask": ("flask", "--app", "services.accounts", "run", "--port", "0"),
}


@pytest.mark.slow
@pytest.mark.parametrize("server", SERVERS)
def test_production_ends_at_once_with_a_line_about_the_setting(server, tmp_path):
    settings = {"SHOP_ENV": "production", "ACCOUNTS_DATABASE_URL": AWAY}
    environ = {"PATH": os.environ["PATH"], "SHOP_DATA_DIR": str(tmp_path), **settings}
    command = [sys.executable, "-m", *SERVERS[server]]

    ended = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=20, check=False
    )

    said = ended.stdout + ended.stderr
    assert ended.returncode == EXIT_UNREACHABLE
    assert said.count("ACCOUNTS_DATABASE_URL") == 1
    assert "postgresql://shop:***@127.0.0.1:1/accounts" in said
    assert ("hu5h" in said, "Traceback" in said) == (False, False)


def test_development_waits_for_its_database(databases, tmp_path, mint):
    address = databases.create("late", tmp_path)
    databases.destroy(address)
    environ = {"SHOP_DATA_DIR": str(tmp_path), "ACCOUNTS_DATABASE_URL": address}
    clients = Clients(key_set=mint, users=FakeUsers(), subscriber=FakeSubscriber())

    began = time.monotonic()
    app = create_app(Config.from_environ(environ), clients=clients)

    client = app.test_client()
    assert [client.get(path).status_code for path in ("/healthz", "/readyz")] == [200, 503]
    assert time.monotonic() - began < 5
    for chore in app.extensions["background"]:
        chore.stop()
    app.extensions["directory"].database.close()
