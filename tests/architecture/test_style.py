"""Hold the code to the measures that CONTRIBUTING.md names."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = (
    *("chassis", "contracts", "gateway", "launcher", "messaging", "services", "storage"),
    "tools",
)
FUNCTION_LINES, MODULE_LINES = 40, 250
PACKAGE_LINES = {"chassis": 1800, "gateway": 1075, "messaging": 400, "storage": 400}
SHOP_WORDS = {
    "product", "products", "orders", "cart", "carts", "payment", "payments",
    "customer", "customers", "stock", "catalogue",
}  # fmt: skip
LAYOUT = {
    tokenize.COMMENT, tokenize.DEDENT, tokenize.ENCODING, tokenize.ENDMARKER,
    tokenize.INDENT, tokenize.NEWLINE, tokenize.NL,
}  # fmt: skip

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = ast.Module | ast.ClassDef | Function


def modules(package: str) -> list[Path]:
    paths = sorted((ROOT / package).rglob("*.py"))
    # A revision is a list of tables and columns, and is never changed again.
    left_out = {"tests", "migrations"}
    return [p for p in paths if left_out.isdisjoint(p.parts) and "_pb2" not in p.name]


SOURCES = [path for package in PACKAGES for path in modules(package)]
every_module = pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@cache
def code_lines(path: Path) -> frozenset[int]:
    """Return the numbers of the lines that hold more than comments and docstrings."""
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline)
    spans = [(t.start[0], t.end[0]) for t in tokens if t.type not in LAYOUT]
    docstrings = {
        number
        for node in ast.walk(parsed(path))
        if isinstance(node, Documented) and ast.get_docstring(node, clean=False) is not None
        for number in range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)
    }
    return frozenset(n for start, end in spans for n in range(start, end + 1)) - docstrings


def public(node: ast.Module | ast.ClassDef) -> Iterator[Documented]:
    """Yield the public classes and functions below a module or class."""
    for child in node.body:
        if isinstance(child, ast.ClassDef | Function) and not child.name.startswith("_"):
            yield child
            if isinstance(child, ast.ClassDef):
                yield from public(child)


def unannotated(function: Function) -> list[str]:
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    named += [extra for extra in (arguments.vararg, arguments.kwarg) if extra]
    missing = [a.arg for a in named if a.annotation is None and a.arg not in {"self", "cls"}]
    return missing if function.returns else [*missing, "return"]


@every_module
def test_module_is_no_longer_than_a_reader_can_hold(path):
    assert len(code_lines(path)) <= MODULE_LINES


@every_module
def test_functions_are_no_longer_than_a_page(path):
    functions = [node for node in ast.walk(parsed(path)) if isinstance(node, Function)]
    sizes = {
        node.name: len(code_lines(path) & set(range(node.lineno, (node.end_lineno or 0) + 1)))
        for node in functions
    }

    assert {name: size for name, size in sizes.items() if size > FUNCTION_LINES} == {}


@every_module
def test_whatever_is_public_is_documented_and_typed(path):
    module = parsed(path)
    names = [node for node in public(module) if node.name != "Meta"]

    assert [node.name for node in names if not ast.get_docstring(node)] == []
    assert {
        n.name: unannotated(n) for n in names if isinstance(n, Function) and unannotated(n)
    } == {}
    assert ast.get_docstring(module)


@every_module
def test_module_neither_prints_nor_puts_work_off(path):
    calls = [node.func for node in ast.walk(parsed(path)) if isinstance(node, ast.Call)]
    prints = [c.lineno for c in calls if isinstance(c, ast.Name) and c.id == "print"]

    assert prints == []
    assert not re.search(r"\b(?:TODO|FIXME|XXX)\b", path.read_text("utf-8"))


@pytest.mark.parametrize(("package", "most"), PACKAGE_LINES.items())
def test_package_stays_small(package, most):
    assert sum(len(code_lines(path)) for path in modules(package)) <= most


@pytest.mark.parametrize(
    "path",
    modules("chassis") + modules("storage") + modules("messaging"),
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_what_services_share_knows_no_word_of_the_shop(path):
    separated = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", path.read_text("utf-8"))
    words = set(re.findall(r"[a-z]+", separated.lower()))

    assert sorted(words & SHOP_WORDS) == []
