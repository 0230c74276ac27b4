"""Run the real launcher with data of its own on free ports."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]
READY_SECONDS = 30


class Shop:
    """Hold a running shop; closing it stops every process."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.data = folder / "var"
        self.output = folder / "output.txt"
        self._environ = {
            "PATH": os.environ["PATH"],
            "SHOP_DATA_DIR": str(self.data),
            # The tests are one client in a hurry.
            "GATEWAY_RATE_LIMIT": "0",
            **environ,
        }
        self._start()

    def _start(self) -> None:
        with self.output.open("ab") as output:
            self.launcher = subprocess.Popen(
                [sys.executable, "-m", "launcher", "--port", "0", "--with-parent"],
                cwd=ROOT,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.close()
            raise

    def _wait_until_ready(self) -> None:
        started = time.monotonic()
        while not (self.data / "run" / "gateway.json").exists() or not self._answers():
            assert self.launcher.poll() is None, self.output.read_text()
            assert time.monotonic() - started < READY_SECONDS, self.output.read_text()
            time.sleep(0.02)

    def _answers(self) -> bool:
        said = self.output.read_text()
        return said.rpartition("starting gateway")[2].count("Ready after") > 0

    @property
    def url(self) -> str:
        return self.url_of("gateway")

    def url_of(self, service: str) -> str:
        return f"http://127.0.0.1:{self.entry(service)['port']}"

    def database_url(self, name: str) -> str:
        """Return the address of a database: a service's, or the payment provider's own."""
        prefix = "PAYMENTS_PROVIDER" if name == "provider" else name.upper()
        embedded = f"sqlite:///{self.data / name}.sqlite3"
        return self._environ.get(f"{prefix}_DATABASE_URL", embedded)

    def entry(self, service: str) -> dict[str, Any]:
        entry: dict[str, Any] = json.loads((self.data / "run" / f"{service}.json").read_text())
        return entry

    @property
    def addresses(self) -> list[str]:
        """Return where the data is besides the folder."""
        return [v for name, v in self._environ.items() if name.endswith("_DATABASE_URL")]

    @contextmanager
    def second(self, service: str, *needs: str) -> Iterator[str]:
        """Run another copy of a service on the same data and return its address."""
        serve = f"from services.{service} import create_app; serve(create_app)"
        with socket.create_server(("127.0.0.1", 0)) as listener:
            process = subprocess.Popen(
                [sys.executable, "-c", f"from chassis.inbound.serving import serve; {serve}"],
                cwd=ROOT,
                env={
                    **self._environ,
                    **{f"{name.upper()}_URL": self.url_of(name) for name in needs},
                    "SHOP_LISTEN_FD": str(listener.fileno()),
                },
                pass_fds=[listener.fileno()],
            )
            try:
                yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            finally:
                process.terminate()
                process.wait(15)

    def kill(self, service: str) -> int:
        """Kill a service the hard way and return the id of the process that was."""
        pid = int(self.entry(service)["pid"])
        os.kill(pid, signal.SIGKILL)
        return pid

    def restart(self, **environ: str) -> None:
        """Stop and start on the same data, with settings changed; an empty one is none."""
        self.close()
        self._environ |= environ
        self._start()

    def close(self) -> None:
        self.launcher.terminate()
        try:
            self.launcher.wait(15)
        finally:
            self.launcher.kill()
            self.launcher.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
