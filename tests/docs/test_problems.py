"""Hold docs/problems.md against the errors that the code can answer with."""

import importlib
import json
import re
from collections.abc import Iterator

import pytest

from chassis.errors import ServiceError
from chassis.inbound import problems
from tests.docs.pages import ROOT, blocks, rows, sections, text_of
from tests.e2e.shopper import Shopper

PAGE = "docs/problems.md"
PACKAGES = ("chassis", "gateway", "messaging", "services", "storage")
TITLE = re.compile(r"^(\d{3}) · (.+)$")
AREAS = "Contents"


def subclasses(kind: type[ServiceError]) -> Iterator[type[ServiceError]]:
    yield kind
    for derived in kind.__subclasses__():
        yield from subclasses(derived)


def errors() -> list[type[ServiceError]]:
    """Return the errors of all packages; a test may have made others."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            module = path.relative_to(ROOT).with_suffix("")
            # What Alembic runs can't be imported without it.
            left_out = {"tests", "migrations", "alembic"}.intersection(module.parts)
            if not left_out and module.name not in {"__init__", "__main__"}:
                importlib.import_module(".".join(module.parts))
    return [
        error for error in subclasses(ServiceError) if "tests" not in error.__module__.split(".")
    ]


@pytest.fixture(scope="module")
def raised() -> dict[str, set[tuple[int, str]]]:
    """Return statuses and titles by code."""
    found: dict[str, set[tuple[int, str]]] = {}
    for error in errors():
        found.setdefault(error.code, set()).add((error.status, error.title))
    for status, (code, title) in problems._CODES.items():
        found.setdefault(code, set()).add((status, title))
    return found


def described() -> dict[str, list[str]]:
    """Return the paragraphs of each section by code."""
    parts = sections(text_of(PAGE), 2)
    return {code: body.strip().split("\n\n") for code, body in parts.items() if code != AREAS}


def test_every_code_has_its_section_and_every_section_its_code(raised):
    assert sorted(described()) == sorted(raised)


def test_each_section_says_status_and_title(raised):
    documented = {
        code: {(int(m[1]), m[2]) for p in paragraphs if (m := TITLE.match(p))}
        for code, paragraphs in described().items()
    }

    assert documented == raised


@pytest.mark.parametrize("code", described())
def test_each_section_tells_what_happened_and_what_to_do(code):
    prose = [paragraph for paragraph in described()[code] if not TITLE.match(paragraph)]

    assert len(prose) == 1
    assert len(re.findall(r"\w+", prose[0])) >= 10


def test_contents_name_each_section_once_and_in_order():
    areas = rows(text_of(PAGE), "area", "codes")
    named = [code for _, codes in areas for code in re.findall(r"\[(\w+)\]", codes)]

    assert named == list(described())


@pytest.mark.e2e
def test_example_is_what_the_shop_answers(shop_url):
    shown = json.loads(blocks(text_of(PAGE), "json")[0])

    answer = Shopper(shop_url).sign_in().order([(1, shown["items"][0]["requested"])])

    problem = answer.json()
    for one in (shown, problem):
        one["items"][0]["available"] = one["request_id"] = one["order_id"] = "differs each time"
    assert answer.headers["Content-Type"] == problems.MEDIA_TYPE
    assert problem == shown
