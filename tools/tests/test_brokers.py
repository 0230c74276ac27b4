"""Ask for brokers where there are none."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CALLED = "#!/bin/sh\necho called >&2\n"


@pytest.fixture
def run(tmp_path):
    """Run the script where these programs come first, as somebody who is not root."""

    def run(*programs):
        for name in ("id", *programs):
            (tmp_path / name).write_text("#!/bin/sh\necho 1000\n")
            (tmp_path / name).chmod(0o755)
        (tmp_path / "apt-get").write_text(CALLED)
        (tmp_path / "apt-get").chmod(0o755)
        shell = shutil.which("sh")
        script = [shell, str(ROOT / "tools" / "brokers")]
        environ = {**os.environ, "PATH": str(tmp_path), "CI": "true"}
        return subprocess.run(script, env=environ, check=False, capture_output=True, text=True)

    return run


def test_what_is_missing_is_named_and_nothing_is_installed_for_who_is_not_root(run):
    done = run("rabbitmq-server", "epmd")

    assert done.returncode == 1
    assert done.stderr == (
        "These programs are missing: redis-server - on Debian, run"
        " `apt install redis-server rabbitmq-server`.\n"
    )


def test_nothing_is_done_where_all_are_there(run):
    done = run("redis-server", "rabbitmq-server", "epmd")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
