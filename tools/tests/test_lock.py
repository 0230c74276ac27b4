import subprocess
import sys
from pathlib import Path

import pytest

from tools import lock


@pytest.fixture
def checkout(tmp_path):
    """Return a checkout of one part, whose pins are as `make lock` would leave them."""
    (tmp_path / "part").mkdir()
    (tmp_path / "requirements.in").write_text("# The whole\n-r part/requirements.in\n")
    (tmp_path / "requirements-dev.in").write_text("pytest\n")
    (tmp_path / "part/requirements.in").write_text("flask  # serves\njinja2\n")
    for source in lock.sources(tmp_path):
        pin(tmp_path, source, *lock.requested(tmp_path, source))
    return tmp_path


def pin(root, source, *names, version="1.0", suffix=" \\\n    --hash=sha256:00"):
    pins = [f"{name}=={version}{suffix}\n    # via somebody\n" for name in names]
    text = "\n".join([lock.digest(root, source), *pins])
    (root / lock.target(source)).write_text(text)


PART = Path("part/requirements.in")


def test_fresh_pins_have_no_fault(checkout):
    assert lock.faults(checkout) == []


def test_a_requirement_added_after_locking_is_noticed_in_the_part_and_in_the_whole(checkout):
    (checkout / PART).write_text("flask\njinja2\nrequests\n")

    assert lock.faults(checkout) == [
        "requirements.txt is older than requirements.in",
        "part/requirements.txt is older than part/requirements.in",
    ]


def test_comments_and_order_do_not_make_pins_older(checkout):
    (checkout / PART).write_text("# Serves.\n\njinja2\nflask\n")

    assert lock.faults(checkout) == []


def test_a_part_that_was_never_locked_is_noticed(checkout):
    (checkout / "part/requirements.txt").unlink()

    assert lock.faults(checkout) == ["part/requirements.txt is older than part/requirements.in"]


def test_a_pin_without_a_hash_is_noticed(checkout):
    pin(checkout, PART, "flask", suffix="")

    assert lock.faults(checkout) == ["part/requirements.txt pins flask without a hash"]


def test_a_version_other_than_the_whole_shops_is_noticed(checkout):
    pin(checkout, PART, "flask", version="2.0")

    assert lock.faults(checkout) == [
        "part/requirements.txt pins flask 2.0, but the whole shop has 1.0"
    ]


def test_a_part_that_the_whole_leaves_out_is_noticed(checkout):
    (checkout / "other").mkdir()
    (checkout / "other/requirements.in").write_text("flask\ngevent\n")
    pin(checkout, Path("other/requirements.in"), "flask")

    assert lock.faults(checkout) == ["requirements.in does not include other/requirements.in"]


def test_a_failed_compilation_leaves_the_old_pins_and_names_the_source(checkout, monkeypatch):
    failed = subprocess.CompletedProcess([], returncode=1)
    monkeypatch.setattr(lock.subprocess, "run", lambda *args, **kwargs: failed)
    before = (checkout / "requirements.txt").read_text()

    with pytest.raises(lock.LockError, match=r"requirements\.in"):
        lock.compile_all(checkout, upgrade=False)

    assert (checkout / "requirements.txt").read_text() == before


def test_the_command_line_compares_this_checkout_without_the_network():
    checked = subprocess.run(
        [sys.executable, "-m", "tools.lock", "--check"], check=False, capture_output=True, text=True
    )

    assert (checked.returncode, checked.stderr) == (0, "")
