"""Start the services one by one, in any order, each with the command that is documented for it."""

import os
import random
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import pytest

from contracts.topology import PORT_OFFSETS
from launcher.credentials import make_client_secrets
from tests.e2e.running import ROOT
from tests.e2e.shopper import Shopper
from tests.resilience.faults import is_ready
from tests.resilience.rounds import rounds

pytestmark = pytest.mark.e2e

READY_SECONDS = 20.0
LONGEST_PAUSE_SECONDS = 0.5


@rounds(short=None, full=20)
def test_services_get_ready_in_any_order_at_the_first_try(tmp_path, progress, rounds):
    slowest = 0.0
    for number in progress.rounds(range(rounds), rounds):
        with Fleet(tmp_path / f"shop-{number}", random.Random(number)) as fleet:
            slowest = max(slowest, fleet.wait_until_ready())

            answer = Shopper(fleet.url("gateway")).sign_in().order([(1, 1)])

            assert answer.status_code == 201, answer.text
            assert fleet.ended() == []

    progress.measured(f"all ready after at most {slowest:.1f} s")
    assert slowest <= READY_SECONDS


class Fleet:
    """Hold one process a service, started in an order and with pauses that chance decides."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        make_client_secrets(folder / "secrets", PORT_OFFSETS)
        self._folder = folder
        self._ports = dict(zip(commands(), free_ports(len(commands())), strict=True))
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.order = chance.sample(sorted(self._ports), len(self._ports))
        for service in self.order:
            time.sleep(chance.uniform(0, LONGEST_PAUSE_SECONDS))
            self._processes[service] = self._start(service)
        self._started_at = time.monotonic()

    def _start(self, service: str) -> subprocess.Popen[bytes]:
        addresses = {f"{name.upper()}_URL": self.url(name) for name in self._ports}
        environ = {
            "PATH": os.environ["PATH"],
            "SHOP_DATA_DIR": str(self._folder),
            "PORT": str(self._ports[service]),
            **addresses,
        }
        with (self._folder / f"{service}.txt").open("wb") as output:
            return subprocess.Popen(
                commands()[service], cwd=ROOT, env=environ, stdout=output, stderr=output
            )

    def url(self, service: str) -> str:
        return f"http://127.0.0.1:{self._ports[service]}"

    def wait_until_ready(self) -> float:
        """Wait for all services, and return the seconds since the last one was started."""
        waiting = set(self._ports)
        while waiting and time.monotonic() - self._started_at < READY_SECONDS:
            waiting -= {service for service in waiting if is_ready(self.url(service))}
            time.sleep(0.05)
        assert not waiting, f"{waiting} did not get ready, started as {self.order}"
        return time.monotonic() - self._started_at

    def ended(self) -> list[str]:
        """Return the services whose process has ended; nobody starts them again."""
        return [name for name, process in self._processes.items() if process.poll() is not None]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.wait(15)


def commands() -> dict[str, list[str]]:
    """Return the command of each service, as the Procfile has it."""
    lines = (ROOT / "Procfile").read_text("utf-8").splitlines()
    listed = {name: shlex.split(line) for name, _, line in (text.partition(": ") for text in lines)}
    for name in ("web", "worker"):
        del listed[name]
    return {
        name: [sys.executable, *(words[1:] if words[0] == "python" else ["-m", *words])]
        for name, words in listed.items()
    }


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on at the moment."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
