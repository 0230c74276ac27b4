"""Pin every dependency with its hashes, and tell when the pins are out of date.

::

    python -m tools.lock              compile every requirements.in, keeping the pins that still fit
    python -m tools.lock --upgrade    take the newest releases instead
    python -m tools.lock --check      compare, without the network

The whole shop is compiled first and constrains its parts, so that one version of a package serves
all of them, in one process or in one image each. The files hold for every Python from 3.11 on and
name no index: pip takes the address from its own configuration.
"""

import argparse
import hashlib
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

WHOLE = Path("requirements.in")
DEVELOPMENT = Path("requirements-dev.in")
# uv keeps the pins of an existing file where they still fit. Its own configuration stays out of it.
_COMPILE = (
    *(sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-config", "--no-header"),
    *("--universal", "--python-version", "3.11", "--fork-strategy", "fewest"),
    *("--generate-hashes", "--no-build"),
)
_HEADER = "# Made by `make lock` from {source}; do not edit.\n# {digest}\n"
_PIN = re.compile(r"^([a-z0-9.-]+)==(\S+)((?:[^\n]*\\\n)*[^\n]*)", re.MULTILINE)


class LockError(Exception):
    """Say which compilation failed; uv has said why."""


def sources(root: Path) -> list[Path]:
    """Return every requirements.in, relative to the root, in the order of compilation."""
    parts = [*root.glob("*/requirements.in"), *root.glob("services/*/requirements.in")]
    return [WHOLE, DEVELOPMENT, *sorted(part.relative_to(root) for part in parts)]


def target(source: Path) -> Path:
    """Return the file that holds the pins of a source."""
    return source.with_suffix(".txt")


def compile_all(root: Path, *, upgrade: bool) -> None:
    """Write every requirements.txt.

    Raises:
        LockError: when uv finds no set of versions that fits.
    """
    for source in sources(root):
        compile_one(root, source, upgrade=upgrade)


def compile_one(root: Path, source: Path, *, upgrade: bool) -> None:
    """Write one requirements.txt, in step with the one of the whole shop.

    Raises:
        LockError: when uv finds no set of versions that fits.
    """
    pins = target(source)
    command = [*_COMPILE, str(source), "--output-file", str(pins)]
    if source != WHOLE:
        command += ["--constraints", str(target(WHOLE))]
    if upgrade:
        command.append("--upgrade")
    if subprocess.run(command, cwd=root, check=False, stdout=subprocess.DEVNULL).returncode:
        raise LockError(f"uv could not compile {source}.")
    header = _HEADER.format(source=source.name, digest=digest(root, source))
    (root / pins).write_text(header + (root / pins).read_text("utf-8"), "utf-8")


def requested(root: Path, source: Path) -> Iterator[str]:
    """Yield the requirements that a source names, itself or through ``-r``, without comments."""
    for line in (root / source).read_text("utf-8").splitlines():
        requirement = line.partition("#")[0].strip()
        if requirement.startswith("-r "):
            included = (root / source).parent / requirement.removeprefix("-r ")
            yield from requested(root, included.resolve().relative_to(root.resolve()))
        elif requirement:
            yield requirement


def digest(root: Path, source: Path) -> str:
    """Return a line that changes when the requirements do, and not with their order or comments."""
    text = "\n".join(sorted(set(requested(root, source))))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def faults(root: Path) -> list[str]:
    """Return a sentence for each way in which the pins are not what ``make lock`` would leave."""
    agreed = pinned(root, DEVELOPMENT) | pinned(root, WHOLE)
    return [fault for source in sources(root) for fault in _faults_of(root, source, agreed)]


def pinned(root: Path, source: Path) -> dict[str, str]:
    """Return version by package, as the compiled file of a source says; empty without the file."""
    return {name: version for name, version, _ in _PIN.findall(_text(root / target(source)))}


def _faults_of(root: Path, source: Path, agreed: dict[str, str]) -> Iterator[str]:
    pins, text = target(source), _text(root / target(source))
    if digest(root, source) not in text:
        yield f"{pins} is older than {source}"
    for name, version, rest in _PIN.findall(text):
        if "--hash=sha256:" not in rest:
            yield f"{pins} pins {name} without a hash"
        if agreed.get(name) != version:
            yield f"{pins} pins {name} {version}, but the whole shop has {agreed.get(name)}"
    if source != DEVELOPMENT and set(requested(root, source)) - set(requested(root, WHOLE)):
        yield f"{WHOLE} does not include {source}"


def _text(path: Path) -> str:
    return path.read_text("utf-8") if path.exists() else ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.lock", description="Pin dependencies.")
    parser.add_argument("--check", action="store_true", help="only compare, without the network")
    parser.add_argument("--upgrade", action="store_true", help="take the newest releases")
    options = parser.parse_args(arguments)
    root = Path(__file__).parent.parent
    if options.check:
        found = faults(root)
        sys.stderr.writelines(f"{fault}: run `make lock`.\n" for fault in found)
        return int(bool(found))
    try:
        compile_all(root, upgrade=options.upgrade)
    except LockError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
