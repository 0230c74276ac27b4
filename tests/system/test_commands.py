"""Give ``flask`` commands what they can't work with: a line says so, and no traceback."""

import os
import subprocess
import sys

import pytest

from chassis.config import EXIT_CONFIG
from tests.e2e.running import ROOT


@pytest.fixture
def migrate(tmp_path):
    def migrate(**environ):
        settings = {"PATH": os.environ["PATH"], "SHOP_DATA_DIR": str(tmp_path), **environ}
        command = [sys.executable, "-m", "flask", "--app", "services.orders", "migrate"]
        return subprocess.run(
            command, cwd=ROOT, env=settings, capture_output=True, text=True, check=False
        )

    return migrate


def test_wrong_setting_is_named_in_one_line(migrate):
    done = migrate(ORDERS_DATABASE_URL="mysql://shop:hu5h@db/orders")

    assert done.returncode == EXIT_CONFIG
    assert done.stderr.startswith("Error: ORDERS_DATABASE_URL: expected")
    assert done.stderr.count("\n") == 1


def test_missing_server_is_told_with_the_words_of_the_driver(migrate):
    done = migrate(ORDERS_DATABASE_URL="postgresql://shop:hu5h@127.0.0.1:1/orders")

    assert done.returncode == 1
    assert "refused" in done.stderr
    assert done.stderr.endswith("Error: The database can't serve at the moment.\n")
    assert "Traceback" not in done.stderr
    assert "hu5h" not in done.stderr + done.stdout


@pytest.mark.services
def test_new_tables_are_told(migrate):
    done = migrate(SHOP_ENV="production")

    assert (done.returncode, done.stderr.count("not ready")) == (0, 0), done.stderr
    assert done.stdout.startswith("orders: now at orders_0")
    assert migrate(SHOP_ENV="production").stdout.startswith("orders: already at orders_0")
