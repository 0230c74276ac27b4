"""Follow docs/adding-a-service.md to the letter, in a copy of the repository."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from contracts.topology import PORT_OFFSETS
from tests.docs.curl import Curl
from tests.docs.pages import ROOT, blocks, commands, fits, text_of
from tests.e2e import running

pytestmark = [pytest.mark.e2e, pytest.mark.services]

# Another name and port than the page's, for whoever has followed it already.
NAME, DISTANCE = "examples", max(PORT_OFFSETS.values()) + 1
PAGE = (
    text_of("docs/adding-a-service.md")
    .replace("horoscopes", NAME)
    .replace("Horoscopes", NAME.title())
    .replace(": 11,", f": {DISTANCE},")
)
STEP = re.compile(r"^\d+\. (.*?)(?=^\d+\. |^## |\Z)", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """Return a copy of what git knows or would add, with the steps of the page carried out."""
    if not (ROOT / ".git").exists():
        pytest.skip("a source archive does not say which files are committed")
    root = tmp_path_factory.mktemp("adding") / "a shop"
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    for step in STEP.findall(PAGE):
        for script in blocks(step, "sh"):
            subprocess.run(["sh", "-euc", script], cwd=root, check=True)
        for line in blocks(step, ""):
            add_line(root / re.findall(r"^In `([\w/.]+)`", step)[0], line)
    return root


def add_line(path: Path, line: str) -> None:
    """Add a line below the last one of its kind, as "at the end" and "below the others" mean."""
    kind = re.sub(r"[0-9]+", r"[0-9]+", re.escape(line)).replace(NAME, r"\w+")
    text = path.read_text("utf-8")
    *_, last = re.finditer(f"^{kind}", text, re.MULTILINE)
    path.write_text(text[: last.end()] + line + text[last.end() :], "utf-8")


def test_copy_runs_in_the_launcher_and_behind_the_gateway(copy, tmp_path, monkeypatch):
    monkeypatch.setattr(running, "ROOT", copy)
    [(command, shown)] = commands(PAGE)

    with running.Shop(tmp_path) as shop:
        address = shop.url.removeprefix("http://")
        printed = Curl().run(command.replace("localhost:8000", address))
        status = json.loads(Curl().run(f"curl {address}/status"))["services"]

    assert fits(shown, printed)
    assert status[NAME]["breaker"] == "closed"


def test_tests_of_the_copy_pass(copy):
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"services/{NAME}"]

    tests = subprocess.run(command, cwd=copy, check=False, capture_output=True, text=True)

    assert tests.returncode == 0, tests.stdout
    assert (copy / f"services/{NAME}/tests/test_{NAME}.py").exists()
