"""Test which variables of the environment a service does not get to see."""

import subprocess
import sys

import pytest

from launcher.privacy import foreign_secrets
from launcher.tests.running import ROOT


def test_secrets_of_other_services_are_foreign_and_its_own_are_not():
    names = ["AUTH_SIGNING_KEY", "PAYMENTS_WEBHOOK_SECRET", "ORDERS_DATABASE_URL"]

    assert foreign_secrets("payments", names) == ["AUTH_SIGNING_KEY", "ORDERS_DATABASE_URL"]


def test_addresses_and_shared_settings_are_nobodys_secret():
    names = ["AUTH_URL", "GATEWAY_RATE_LIMIT", "KEY_SET_SECONDS", "SMTP_URL", "AUTHOR_TOKEN"]

    assert foreign_secrets("payments", names) == []


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc elsewhere")
def test_forgetting_blanks_the_first_environment_and_nothing_else():
    script = (
        "import os; from launcher.privacy import forget_foreign_secrets as forget;"
        "forget('orders'); print(sorted(os.environ));"
        "print(open('/proc/self/environ').read().replace(chr(0), ' '))"
    )
    environ = {"AUTH_TOKEN": "canary", "ORDERS_TOKEN": "own", "PYTHONPATH": str(ROOT)}

    run = subprocess.run(
        [sys.executable, "-c", script], env=environ, capture_output=True, check=True, text=True
    )

    assert "canary" not in run.stdout
    assert "AUTH_TOKEN" not in run.stdout
    assert "ORDERS_TOKEN=own" in run.stdout
