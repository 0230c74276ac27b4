"""Look at a running shop as whoever operates it does."""

import json
import os
import subprocess
import sys

import pytest

from tests.e2e.running import ROOT
from tests.e2e.shopper import Shopper
from tools.operations import WATCHED

pytestmark = [pytest.mark.e2e, pytest.mark.services]


def operations(folder, *arguments):
    environ = {"PATH": os.environ["PATH"], "SHOP_DATA_DIR": str(folder)}
    command = [sys.executable, "-m", "tools.operations", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )


def test_all_services_are_shown_with_the_order_that_waits(open_shop):
    shop = open_shop()
    order = Shopper(shop.url).sign_in().order(token="tok_hang").json()

    table, document = operations(shop.data), operations(shop.data, "--json")

    assert (table.returncode, document.returncode) == (0, 0), table.stderr
    views = json.loads(document.stdout)
    assert [view["service"] for view in views.values()] == [*WATCHED]
    assert [each["id"] for each in views["orders"]["unfinished"]["oldest"]] == [order["id"]]
    assert views["payments"]["ledger_sum_minor"] == 0
    lines = table.stdout.splitlines()
    assert [line for line in lines if line and line[0] != " "] == [*WATCHED]
    assert "  unfinished by status payment pending" in table.stdout
    assert f"id {order['id']}  status payment_pending" in table.stdout
    secret = (shop.data / "secrets/orders").read_text().strip()
    assert secret not in table.stdout + document.stdout + table.stderr


def test_service_that_is_away_is_named_and_the_others_are_shown(open_shop):
    shop = open_shop()
    (shop.data / "run/payments.json").write_text('{"port": 1}')

    table = operations(shop.data)

    assert table.returncode == 1
    assert "payments at http://127.0.0.1:1 can't be asked" in table.stdout
    assert "unfinished owing" in table.stdout
    assert "overdue units" in table.stdout


def test_without_a_shop_it_says_where_it_looked(tmp_path):
    nothing = operations(tmp_path / "nowhere")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/orders").write_text("secret")
    stopped = operations(tmp_path)

    assert (nothing.returncode, stopped.returncode) == (1, 1)
    assert "SHOP_DATA_DIR" in nothing.stderr
    assert stopped.stderr.startswith(f"{tmp_path}/run/auth.json is missing: start the shop")


def test_dead_letter_that_is_none_is_told_in_a_line(open_shop):
    shop = open_shop()

    told = [operations(shop.data, "--retry", name, "event-1") for name in ("orders", "elsewhere")]

    assert [each.returncode for each in told] == [1, 1]
    assert told[0].stderr == "There is no such dead letter.\n"
    assert "elsewhere.json is missing" in told[1].stderr
