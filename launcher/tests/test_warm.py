"""Test, in a process of its own, what the launcher is like when it forks."""

import json
import subprocess
import sys

import pytest

from launcher.tests.running import ROOT

WARM_UP = """
import gc, json, os, sys
from launcher.plan import GATEWAY, KNOWN, is_installed, package_of
from launcher.warm import warm_up

warm_up(package_of(name) for name in KNOWN if name != GATEWAY and is_installed(name))
print(json.dumps({
    "threads": len(os.listdir("/proc/self/task")),
    "frozen": gc.get_freeze_count(),
    "collecting": gc.isenabled(),
    "modules": list(sys.modules),
}))
"""


@pytest.fixture(scope="module")
def warm():
    run = subprocess.run(
        [sys.executable, "-c", WARM_UP], cwd=ROOT, capture_output=True, check=True, timeout=30
    )
    return json.loads(run.stdout)


def test_importing_the_services_starts_no_thread_that_a_fork_would_lose(warm):
    assert warm["threads"] == 1


def test_the_collector_leaves_shared_objects_alone(warm):
    assert warm["frozen"] > 100_000
    assert not warm["collecting"]


def test_nothing_that_a_child_needs_is_left_to_be_imported_by_each(warm):
    assert {"gunicorn.workers.gthread", "sqlalchemy.dialects.sqlite"} <= set(warm["modules"])


def test_what_must_not_be_shared_is_not_imported(warm):
    assert not {"gevent", "grpc"} & set(warm["modules"])
