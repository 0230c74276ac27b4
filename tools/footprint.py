"""Start the shop, let it idle, and print what memory each of its processes takes.

Proportional set size (PSS) counts a page that n processes share as 1/n in each, so that its sum is
what the shop as a whole takes from the machine.  Reads ``/proc``, so it needs Linux.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.measuring import running_shop, show

LIMIT_MB: Final = 250.0
IDLE_SECONDS: Final = 3.0


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
    with tempfile.TemporaryDirectory() as folder, running_shop(Path(folder)) as shop:
        time.sleep(options.idle)
        usages = [measure(name, pid) for name, pid in shop.processes()]
    total = sum(usage.proportional for usage in usages)
    show([*_table(usages), "", f"{shop.start_seconds:.1f} s from start to ready"])
    if total > options.limit:
        show([f"{total:.0f} MB of PSS are more than the limit of {options.limit:.0f} MB"])
    return int(total > options.limit)


def measure(service: str, pid: int) -> Usage:
    """Read the memory of one process from the kernel."""
    sizes: dict[str, float] = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, kilobytes, _ = line.split()
        sizes[name] = int(kilobytes) * 1024 / 1e6
    unique = sizes["Private_Clean:"] + sizes["Private_Dirty:"]
    return Usage(service, pid, sizes["Rss:"], sizes["Pss:"], unique)


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


if __name__ == "__main__":
    sys.exit(main())
