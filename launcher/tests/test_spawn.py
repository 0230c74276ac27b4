"""Test the race that no test of the whole launcher can win on purpose."""

import subprocess
import sys

from launcher.tests.running import ROOT

# No process has the number 0, so this parent counts as gone.
ORPHAN = "from launcher.spawn import end_with_parent; end_with_parent(0); print('still here')"


def test_a_child_whose_parent_died_before_it_could_ask_ends_by_itself():
    run = subprocess.run([sys.executable, "-c", ORPHAN], cwd=ROOT, capture_output=True, check=False)

    assert run.returncode == 1
    assert run.stdout == b""
