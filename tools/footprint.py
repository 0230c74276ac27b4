"""Start the shop, let it idle, and print what memory each of its processes takes.

Proportional set size (PSS) counts a page that n processes share as 1/n in each, so that its sum is
what the shop as a whole takes from the machine.  Reads ``/proc``, so it needs Linux.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LIMIT_MB: Final = 250.0
IDLE_SECONDS: Final = 3.0
START_SECONDS: Final = 30.0
OPEN: Final = b"Ready after"


class ShopDidNotStart(Exception):
    """Report that the shop ended, or was not ready in time."""


@dataclass(frozen=True)
class Usage:
    """Hold the memory of one process, in megabytes (10^6 bytes)."""

    service: str
    pid: int
    resident: float
    proportional: float
    unique: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the shop; return 1 when it takes more than it may."""
    parser = argparse.ArgumentParser(description="Print the memory of each process of the shop.")
    parser.add_argument("--limit", type=float, default=LIMIT_MB, help="MB of PSS for the sum")
    parser.add_argument("--idle", type=float, default=IDLE_SECONDS, help="seconds to wait first")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, _shop(Path(folder)) as (launcher, seconds):
        time.sleep(options.idle)
        usages = [measure(name, pid) for name, pid in _processes(launcher, Path(folder))]
    total = sum(usage.proportional for usage in usages)
    _show([*_table(usages), "", f"{seconds:.1f} s from start to ready"])
    if total > options.limit:
        _show([f"{total:.0f} MB of PSS are more than the limit of {options.limit:.0f} MB"])
    return int(total > options.limit)


def measure(service: str, pid: int) -> Usage:
    """Read the memory of one process from the kernel."""
    sizes: dict[str, float] = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, kilobytes, _ = line.split()
        sizes[name] = int(kilobytes) * 1024 / 1e6
    unique = sizes["Private_Clean:"] + sizes["Private_Dirty:"]
    return Usage(service, pid, sizes["Rss:"], sizes["Pss:"], unique)


@contextmanager
def _shop(data_dir: Path) -> Iterator[tuple[int, float]]:
    """Run the shop, and give the launcher's process id and the seconds that the start took."""
    environ = {**os.environ, "SHOP_DATA_DIR": str(data_dir)}
    began = time.monotonic()
    launcher = subprocess.Popen(
        [sys.executable, "-m", "launcher", "--port", "0", "--with-parent"],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    # Reading its output has no time limit of its own.
    alarm = threading.Timer(START_SECONDS, launcher.kill)
    alarm.start()
    try:
        _await_ready(launcher.stdout or ())
        alarm.cancel()
        yield launcher.pid, time.monotonic() - began
    finally:
        alarm.cancel()
        launcher.terminate()
        launcher.communicate()


def _await_ready(output: Iterable[bytes]) -> None:
    seen: list[bytes] = []
    for line in output:
        seen.append(line)
        if OPEN in line:
            return
    raise ShopDidNotStart(b"".join(seen).decode(errors="replace"))


def _processes(launcher: int, data_dir: Path) -> Iterator[tuple[str, int]]:
    yield "launcher", launcher
    for path in sorted((data_dir / "run").glob("*.json")):
        entry = json.loads(path.read_text())
        yield entry["service"], entry["pid"]


def _table(usages: Sequence[Usage]) -> Iterator[str]:
    yield f"{'process':<14}{'pid':>8}{'RSS MB':>9}{'PSS MB':>9}{'USS MB':>9}"
    for usage in usages:
        yield (
            f"{usage.service:<14}{usage.pid:>8}{usage.resident:>9.1f}"
            f"{usage.proportional:>9.1f}{usage.unique:>9.1f}"
        )
    proportional = sum(usage.proportional for usage in usages)
    unique = sum(usage.unique for usage in usages)
    yield f"{'sum':<14}{'':>8}{'':>9}{proportional:>9.1f}{unique:>9.1f}"


def _show(lines: Sequence[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    sys.exit(main())
