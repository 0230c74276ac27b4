"""Run the shop for a measurement, and read what its processes take from the kernel.

Reads ``/proc``, so it needs Linux.
"""

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

START_SECONDS: Final = 30.0
OPEN: Final = b"Ready after"
PSS: Final = re.compile(r"^Pss: +(\d+) kB", re.MULTILINE)
TICKS: Final = os.sysconf("SC_CLK_TCK")


class ShopDidNotStart(Exception):
    """Report that the shop ended, or was not ready in time."""


@dataclass(frozen=True)
class RunningShop:
    """Hold a shop that runs until the end of the measurement."""

    launcher: int
    data_dir: Path
    start_seconds: float

    def processes(self) -> Iterator[tuple[str, int]]:
        """Yield the name and the process id of the launcher and of each service."""
        yield "launcher", self.launcher
        for path in sorted((self.data_dir / "run").glob("*.json")):
            entry = json.loads(path.read_text())
            yield entry["service"], entry["pid"]

    def url(self) -> str:
        """Return the address of the gateway."""
        entry = json.loads((self.data_dir / "run" / "gateway.json").read_text())
        return f"http://127.0.0.1:{entry['port']}"

    def processor_ms(self) -> dict[str, float]:
        """Return the processor time that each process has used so far, in milliseconds."""
        return {name: _processor_ms(pid) for name, pid in self.processes()}


@contextmanager
def running_shop(data_dir: Path, environ: Mapping[str, str] | None = None) -> Iterator[RunningShop]:
    """Run the whole shop on free ports with its data in a folder.

    Raises:
        ShopDidNotStart: with what the shop printed.
    """
    began = time.monotonic()
    launcher = subprocess.Popen(
        [sys.executable, "-m", "launcher", "--port", "0", "--with-parent"],
        env={**os.environ, "SHOP_DATA_DIR": str(data_dir), **(environ or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    # Reading its output has no time limit of its own.
    alarm = threading.Timer(START_SECONDS, launcher.kill)
    alarm.start()
    try:
        _await_ready(launcher.stdout or ())
        alarm.cancel()
        yield RunningShop(launcher.pid, data_dir, time.monotonic() - began)
    finally:
        alarm.cancel()
        launcher.terminate()
        launcher.communicate()


def family_processor_ms(pid: int) -> float:
    """Return the processor time of a process and of all that it started, in milliseconds."""
    return sum(_processor_ms(each) for each in _family(pid))


def family_memory_mb(pid: int) -> float:
    """Return the proportional memory of a process and of all that it started, in 10^6 bytes."""
    rollups = (Path(f"/proc/{each}/smaps_rollup").read_text() for each in _family(pid))
    found = (PSS.search(rollup) for rollup in rollups)
    return sum(int(match[1]) * 1024 / 1e6 for match in found if match)


def show(lines: Sequence[str]) -> None:
    """Print lines."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def _await_ready(output: Iterable[bytes]) -> None:
    seen: list[bytes] = []
    for line in output:
        seen.append(line)
        if OPEN in line:
            return
    raise ShopDidNotStart(b"".join(seen).decode(errors="replace"))


def _family(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from _family(int(child))


def _processor_ms(pid: int) -> float:
    # The name of a process may hold anything, so the fields are counted from behind it.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system = int(fields[11]), int(fields[12])
    return (user + system) * 1000 / TICKS
