"""Start the real launcher over tiny stub services, and look at what it does."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
STUB = """
import os, sys, time

def create_app():
    sys.stdout.write("created\\n")

    def app(environ, start_response):
        path = environ["PATH_INFO"]
        if path == "/slow":
            sys.stdout.write("slow request\\n")
            time.sleep(0.5)
        if path == "/flood":
            sys.stdout.write(("x" * 99 + "\\n") * 20_000)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(os.getpid()).encode()]

    return app
"""
STUB_GATEWAY = """
import sys
from chassis.inbound.serving import serve
from services.greetings import create_app

sys.exit(serve(create_app))
"""


def wait_until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


class RunningShop:
    """Hold one launcher, started in a folder of stubs."""

    def __init__(self, folder: Path, *arguments: str, piped: bool = False, **environ: str) -> None:
        self.folder = folder
        self._output = folder / "output.txt"
        with self._output.open("wb") as output:
            self.launcher = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "launcher",
                    "--with-parent",
                    *(arguments or ("--port", "0")),
                ],
                cwd=folder,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environ},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if piped else output,
                stderr=subprocess.STDOUT,
                # A process group of its own, as a shell with job control gives to each command.
                process_group=0,
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    def until_says(self, text: str) -> "RunningShop":
        wait_until(lambda: text in self.output or self.launcher.poll() is not None)
        assert text in self.output
        return self

    def until_open(self) -> "RunningShop":
        return self.until_says("Ready after")

    def entry(self, service: str) -> dict[str, Any]:
        entry: dict[str, Any] = json.loads(
            (self.folder / "var" / "run" / f"{service}.json").read_text()
        )
        return entry

    def pid(self, service: str) -> int:
        return int(self.entry(service)["pid"])

    def is_listed(self, service: str) -> bool:
        return (self.folder / "var" / "run" / f"{service}.json").exists()

    def pids(self) -> list[int]:
        files = (self.folder / "var" / "run").glob("*.json")
        return [self.launcher.pid, *(self.pid(file.stem) for file in files)]

    def ask(self, service: str, path: str = "/") -> str:
        url = f"http://127.0.0.1:{self.entry(service)['port']}{path}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.read().decode()

    def tell(self, number: signal.Signals) -> None:
        self.launcher.send_signal(number)

    def tell_group(self, number: signal.Signals) -> None:
        os.killpg(self.launcher.pid, number)

    def exit_status(self, seconds: float = 12.0) -> int:
        return self.launcher.wait(seconds)

    def end(self) -> None:
        self.launcher.terminate()
        try:
            self.launcher.communicate(timeout=12)
        finally:
            self.launcher.kill()
