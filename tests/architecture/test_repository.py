import re
import subprocess
from pathlib import Path

import pytest

from contracts.topology import PORT_OFFSETS
from tools import lock

ROOT = Path(__file__).parents[2]
SERVICES = sorted(path for path in (ROOT / "services").glob("[a-z]*") if path.is_dir())
SERVICE_FILES = {
    "README.md",
    "__init__.py",
    "app.py",
    "config.py",
    "requirements.in",
    "requirements.txt",
    "routes.py",
    "tests",
}

# Brackets keep the patterns from finding themselves.
INDEX_ADDRESS = re.compile(r"pypi[.](?:org|python)|python[h]osted|npm[j]s|--(?:extra-)?index-[u]rl")
MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:work|root|home|Users)/\w")


@pytest.fixture(scope="module")
def committed() -> list[Path]:
    """Return what git knows or would add; a checkout may belong to another user."""
    if not (ROOT / ".git").exists():
        pytest.skip("a source archive does not say which files are committed")
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


def holding(pattern: re.Pattern[str], files: list[Path]) -> list[str]:
    texts = ((path, path.read_text("utf-8", errors="ignore")) for path in files)
    return [
        f"{path.relative_to(ROOT)}: {m[0]}" for path, text in texts for m in pattern.finditer(text)
    ]


def test_no_file_names_the_address_of_a_package_index(committed):
    assert holding(INDEX_ADDRESS, committed) == []


def test_no_file_names_a_path_of_one_machine(committed):
    assert holding(MACHINE_PATH, committed) == []


def test_no_lock_file_that_records_download_addresses_is_committed(committed):
    assert {"uv.lock", "poetry.lock"}.isdisjoint(path.name for path in committed)


def test_pins_carry_hashes_agree_everywhere_and_are_up_to_date():
    assert lock.faults(ROOT) == []


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.name)
def test_every_service_folder_has_the_same_files(service):
    present = {path.name for path in service.iterdir()}

    assert sorted(SERVICE_FILES - present) == []


def test_every_service_folder_is_named_by_the_topology():
    assert {service.name for service in SERVICES} <= PORT_OFFSETS.keys()


def test_make_alone_lists_every_task():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    tasks = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))

    listed = subprocess.run(["make", "-s"], cwd=ROOT, check=True, capture_output=True, text=True)

    assert set(re.findall(r"^make ([a-z-]+) ", listed.stdout, re.MULTILINE)) == tasks
