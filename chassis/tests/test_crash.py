"""Let processes die at named points."""

import subprocess
import sys

import pytest

from chassis import crash
from chassis.config import ConfigError, ServiceConfig

PROGRAM = """
from chassis import crash
crash.arm("{armed}")
crash.here("a:before")
print("here", flush=True)
crash.here("a:after")
"""


@pytest.mark.parametrize(
    ("armed", "status", "output"),
    [
        ("", 0, b"here\n"),
        ("b:before", 0, b"here\n"),
        ("a:before", 137, b""),
        ("a:after", 137, b"here\n"),
    ],
)
def test_process_dies_at_the_armed_point(armed, status, output):
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(armed=armed)], capture_output=True, check=False
    )

    assert (ended.returncode, ended.stdout) == (status, output)


def test_nothing_is_armed_from_the_start():
    crash.here("")


def test_production_refuses_a_crash_point():
    with pytest.raises(ConfigError, match="CRASH_POINT"):
        ServiceConfig.from_environ({"SHOP_ENV": "production", "CRASH_POINT": "a:b"})
