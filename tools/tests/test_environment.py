"""Run tools/environment with stand-ins for Python, so that nothing is installed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ENVIRONMENT = Path(__file__).parents[1] / "environment"

PYTHON = """#!/bin/sh
echo "$*" >>"$CALLS"
case "$*" in
    *version_info*) exit "${TOO_OLD:-0}" ;;
    *ensurepip*) exit "${WITHOUT_VENV:-0}" ;;
    *pip\\ install*) exit "${BROKEN_INDEX:-0}" ;;
    *--version) echo "Python ${VERSION:-3.11.2}" ;;
    "-m venv "*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
esac
"""


class Checkout:
    def __init__(self, folder: Path):
        self.folder = folder / "a shop"
        self.calls = folder / "calls"
        (self.folder / "tools").mkdir(parents=True)
        shutil.copy(ENVIRONMENT, self.folder / "tools/environment")
        for name in ("requirements.txt", "requirements-dev.txt"):
            (self.folder / name).write_text(f"# {name}\n")
        self.path = folder / "bin"
        self.path.mkdir()
        for name in ("python3", "python3.11", "python3.12", "python3.13", "python3.14"):
            (self.path / name).write_text(PYTHON)
            (self.path / name).chmod(0o755)

    def prepare(self, *files, **settings):
        self.calls.write_text("")
        environ = {
            "CALLS": str(self.calls),
            "PATH": f"{self.path}:{os.environ['PATH']}",
            **settings,
        }
        command = ["sh", str(self.folder / "tools/environment"), *files]
        return subprocess.run(command, check=False, capture_output=True, text=True, env=environ)

    @property
    def installations(self):
        calls = self.calls.read_text().splitlines()
        return [call.partition("--require-hashes ")[2] for call in calls if "pip install" in call]


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


def test_the_first_start_installs_the_named_files_with_hashes(checkout):
    checkout.prepare("requirements.txt", "requirements-dev.txt")

    assert checkout.installations == ["-r requirements.txt -r requirements-dev.txt"]


def test_a_second_start_installs_and_says_nothing(checkout):
    checkout.prepare("requirements.txt")

    second = checkout.prepare("requirements.txt")

    assert (second.returncode, second.stdout, checkout.installations) == (0, "", [])


def test_only_the_file_that_is_not_installed_yet_is_installed(checkout):
    checkout.prepare("requirements.txt")

    checkout.prepare("requirements.txt", "requirements-dev.txt")

    assert checkout.installations == ["-r requirements-dev.txt"]


def test_a_changed_pin_is_installed(checkout):
    checkout.prepare("requirements.txt")
    (checkout.folder / "requirements.txt").write_text("flask==3.1.3\n")

    checkout.prepare("requirements.txt")

    assert checkout.installations == ["-r requirements.txt"]


def test_another_python_means_another_installation(checkout):
    checkout.prepare("requirements.txt")

    checkout.prepare("requirements.txt", VERSION="3.13.0")

    assert checkout.installations == ["-r requirements.txt"]


def test_a_failed_installation_is_tried_again(checkout):
    failed = checkout.prepare("requirements.txt", BROKEN_INDEX="1")

    checkout.prepare("requirements.txt")

    assert failed.returncode == 1
    assert failed.stderr == "The installation failed: pip says why above.\n"
    assert checkout.installations == ["-r requirements.txt"]


def test_a_newer_python_is_found_beside_an_old_python3(checkout):
    (checkout.path / "python3").write_text("#!/bin/sh\nexit 1\n")

    prepared = checkout.prepare("requirements.txt")

    assert prepared.returncode == 0
    assert checkout.installations == ["-r requirements.txt"]


def test_an_old_python_is_refused_in_one_sentence(checkout):
    refused = checkout.prepare("requirements.txt", TOO_OLD="1", VERSION="3.9.2")

    assert refused.returncode == 1
    assert refused.stderr == (
        "The shop needs Python 3.11 or newer; python3 here is Python 3.9.2.\n"
    )


def test_a_missing_venv_module_names_the_package_to_install(checkout):
    refused = checkout.prepare("requirements.txt", WITHOUT_VENV="1")

    assert refused.returncode == 1
    assert "run `apt install python3-venv`" in refused.stderr
