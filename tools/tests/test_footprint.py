"""Test the memory table, against this process and against a shop that cannot start."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import footprint
from tools.footprint import Usage, measure

ROOT = Path(__file__).parents[2]
SERVICE = """
def create_app():
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"ready"]

    return app
"""
GATEWAY = """
import sys
from chassis.inbound.serving import serve
from gateway import create_app

sys.exit(serve(create_app))
"""


@pytest.fixture
def folder(tmp_path):
    """Lay out a shop of stubs, which hide the real services and the real gateway."""
    for package in ("gateway", "services", "services/greetings"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text(SERVICE)
    (tmp_path / "gateway" / "__main__.py").write_text(GATEWAY)
    return tmp_path


def run(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "tools.footprint", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
        text=True,
    )


def test_a_process_shares_some_of_its_memory_and_owns_the_rest():
    usage = measure("tests", os.getpid())

    assert 1 < usage.unique <= usage.proportional <= usage.resident


def test_the_table_ends_with_the_sums():
    usages = [Usage("auth", 1, 60, 20.25, 10), Usage("orders", 2, 60, 30.25, 15)]

    *_, total = footprint._table(usages)

    assert total.split() == ["sum", "50.5", "25.0"]


@pytest.mark.e2e
def test_a_shop_within_the_limit_is_measured_process_by_process(folder):
    result = run(folder, "--idle", "0")

    rows = [line.split()[0] for line in result.stdout.splitlines() if line]
    assert result.returncode == 0, result.stderr
    assert rows[:5] == ["process", "launcher", "gateway", "greetings", "sum"]
    assert "s from start to ready" in result.stdout


@pytest.mark.e2e
def test_a_shop_above_the_limit_fails(folder):
    result = run(folder, "--idle", "0", "--limit", "1")

    assert result.returncode == 1
    assert "more than the limit of 1 MB" in result.stdout


@pytest.mark.e2e
def test_a_shop_that_does_not_start_says_why(folder):
    (folder / "services" / "greetings" / "__init__.py").write_text("1 / 0\n")

    result = run(folder)

    assert result.returncode == 1
    assert "ZeroDivisionError" in result.stderr
