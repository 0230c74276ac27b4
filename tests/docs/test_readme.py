"""Run what the README shows, and follow what all pages link to."""

import json
import re
import shutil
import subprocess
import uuid
from collections.abc import Callable

import pytest

from tests.docs.curl import Curl
from tests.docs.pages import ROOT, anchors, blocks, commands, fits, links, pages, rows, text_of
from tests.e2e.shopper import Shopper

README = text_of("README.md")
TASK = re.compile(r"(?:^|`)make ([a-z-]+)", re.MULTILINE)


@pytest.fixture(scope="module", params=["without curl", "with curl"])
def run(request, tmp_path_factory) -> Callable[[str], str]:
    """Return what runs a command line and gives back what it prints."""
    if request.param == "without curl":
        return Curl().run
    if not shutil.which("curl"):
        pytest.skip("there is no curl here; the other case has run the same lines")
    folder = tmp_path_factory.mktemp("curl")

    def in_shell(command: str) -> str:
        shell = ["sh", "-c", command]
        return subprocess.run(shell, cwd=folder, check=True, capture_output=True, text=True).stdout

    return in_shell


@pytest.fixture(scope="module")
def transcript(run, shop_url) -> list[tuple[str, str, str]]:
    """Return each command of the README with what it shows and what it printed."""
    # Other tests buy from the same shop, while the README shows a fresh one.
    catalogue = json.loads((ROOT / "services/products/catalogue.json").read_text("utf-8"))
    Shopper(shop_url).sign_in("admin").set_stock(1, catalogue["products"][0]["stock"])
    address, key = shop_url.removeprefix("http://"), f"my-first-order-{uuid.uuid4()}"
    name = f"carol-{uuid.uuid4().hex[:8]}"
    ours = {"localhost:8000": address, "my-first-order": key, "carol@": f"{name}@"}
    ours |= {'"username":"carol"': f'"username":"{name}"'}

    def here_and_now(text: str) -> str:
        for theirs, mine in ours.items():
            text = text.replace(theirs, mine)
        return text

    here = [(here_and_now(command), here_and_now(shown)) for command, shown in commands(README)]
    return [(command, shown, run(command).strip()) for command, shown in here]


@pytest.mark.e2e
def test_commands_print_what_the_readme_shows(transcript):
    answered = [(shown, printed) for _, shown, printed in transcript if shown]

    assert len(answered) >= 2
    assert [printed for shown, printed in answered if not fits(shown, printed)] == []


@pytest.mark.e2e
def test_order_of_the_readme_is_confirmed_and_listed(transcript):
    cart, order, orders = (json.loads(printed) for *_, printed in transcript[-3:])

    assert {"product_id": 1, "quantity": 2}.items() <= cart["items"][0].items()
    assert order["status"] == "confirmed"
    assert order in orders["data"]


@pytest.mark.e2e
def test_second_order_call_again_gives_the_same_answer_and_no_second_order(transcript, run):
    *_, (order, _, answer), (orders, _, before) = transcript

    assert run(order).strip() == answer
    assert run(orders).strip() == before


@pytest.mark.parametrize("page", pages(), ids=str)
def test_tasks_that_a_page_names_exist(page):
    tasks = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE))

    assert set(TASK.findall(text_of(page))) <= tasks


def test_first_two_commands_are_there():
    assert blocks(README, "")[1].split()[:2] == ["make", "run"]
    assert {"run", "test"} <= set(TASK.findall(blocks(README, "")[1]))


@pytest.mark.parametrize("page", pages(), ids=str)
def test_links_lead_somewhere(page):
    broken = []
    for link in links(page):
        target, _, anchor = link.partition("#")
        path = (ROOT / page.parent / target) if target else ROOT / page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(link)

    assert broken == []


def test_table_of_services_lists_every_folder_with_its_readme():
    cells = [cell for cell, *_ in rows(README, "folder", "what it owns", "port")]
    folders = {name for cell in cells for name in re.findall(r"^\[(.+?)\]", cell)}
    services = {path.parent for path in ROOT.glob("services/[a-z]*/app.py")}

    assert {folder for folder in folders if not (ROOT / folder / "README.md").exists()} == set()
    assert {f"services/{path.name}" for path in services} <= folders


@pytest.mark.parametrize("package", ["chassis", "messaging", "storage"])
def test_every_module_that_services_share_has_its_line(package):
    modules = {
        path.stem
        for path in (ROOT / package).rglob("*.py")
        if "tests" not in path.parts and path.stem != "__init__"
    }
    table = rows(text_of(f"{package}/README.md"), "module", "what it does")

    assert {cell.strip("`") for cell, _ in table} == modules
