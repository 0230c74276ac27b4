"""Test which variables of the environment a service does not get to see."""

import importlib
import subprocess
import sys

import pytest

from launcher.plan import GATEWAY, KNOWN, is_installed
from launcher.privacy import foreign_secrets
from launcher.tests.running import ROOT


def test_secrets_of_other_services_are_foreign_and_its_own_are_not():
    names = ["AUTH_SIGNING_KEY", "PAYMENTS_WEBHOOK_SECRET", "ORDERS_DATABASE_URL"]

    assert foreign_secrets("payments", names) == ["AUTH_SIGNING_KEY", "ORDERS_DATABASE_URL"]


def test_addresses_and_shared_settings_are_nobodys_secret():
    names = ["AUTH_URL", "GATEWAY_RATE_LIMIT", "KEY_SET_SECONDS", "AUTHOR_TOKEN"]

    assert foreign_secrets("payments", names) == []


@pytest.mark.parametrize(
    ("service", "foreign"),
    [
        ("gateway", ["CELERY_BROKER_URL", "SMTP_URL"]),
        ("orders", ["REDIS_URL", "SMTP_URL"]),
        ("notifications", ["REDIS_URL"]),
        ("greetings", ["CELERY_BROKER_URL", "REDIS_URL", "SMTP_URL"]),
    ],
)
def test_address_that_may_hold_a_password_is_for_its_readers_alone(service, foreign):
    assert foreign_secrets(service, ["CELERY_BROKER_URL", "REDIS_URL", "SMTP_URL"]) == foreign


@pytest.mark.parametrize("service", [name for name in KNOWN if is_installed(name)])
def test_every_service_keeps_the_addresses_that_it_reads(service):
    package = service if service == GATEWAY else f"services.{service}"
    config = importlib.import_module(f"{package}.config").Config

    read = [item.metadata["variable"] for item in config.settings()]

    assert foreign_secrets(service, read) == []


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
