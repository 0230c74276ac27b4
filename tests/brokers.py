"""Run real message brokers on free ports, in folders of their own, and leave nothing behind."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from kombu import Connection

from tests.waiting import wait_until

# Debian keeps what its wrapper in the path starts as another user.
FOLDERS = ("/usr/lib/rabbitmq/bin",)
START_SECONDS = 60.0
KINDS = ("rabbitmq", "redis")
PROGRAMS = {"rabbitmq": ("rabbitmq-server", "epmd"), "redis": ("redis-server",)}


def program(name: str) -> str:
    """Return where a program is.

    Raises:
        LookupError: it is not installed.
    """
    path = os.pathsep.join([*FOLDERS, os.environ["PATH"], "/usr/sbin"])
    found = shutil.which(name, path=path)
    if found is None:
        raise LookupError(f"{name} is missing: `make test-services` says how to get it")
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Broker:
    """Start, stop and start again one broker at one address, with data that survives it."""

    url: str

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        """End it as an operator would."""
        while self._processes:
            process = self._processes.pop()
            process.terminate()
            try:
                process.wait(30)
            finally:
                _end_group(process)

    def restart(self) -> None:
        self.stop()
        self.start()

    def depth(self, queue: str) -> int:
        """Return how many messages wait in a queue, without those that a worker has."""
        with Connection(self.url) as connection:
            return int(connection.default_channel.queue_declare(queue, passive=True).message_count)

    def unacknowledged(self) -> int:
        """Return how many messages a worker has had that is gone, and nobody else has yet."""
        # RabbitMQ gives them back when the connection ends.
        return 0

    def empty(self, queue: str) -> None:
        """Delete a queue with what tests have left in it."""
        with Connection(self.url) as connection:
            connection.default_channel.queue_delete(queue)

    def _run(self, command: Sequence[str | Path], environ: Mapping[str, str] | None = None) -> None:
        with (self.folder / "output.txt").open("ab") as output:
            self._processes.append(
                subprocess.Popen(
                    command,
                    cwd=self.folder,
                    env=environ,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )

    def _answers(self) -> bool:
        ended = [process for process in self._processes if process.poll() is not None]
        assert not ended, (self.folder / "output.txt").read_text()[-3000:]
        try:
            with Connection(self.url, connect_timeout=2) as connection:
                connection.connect()
        except (*Connection(self.url).connection_errors, OSError):
            return False
        return True

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Redis(Broker):
    """Run Redis so that it keeps what it has confirmed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._port = free_port()
        self.url = f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        options = ["--port", str(self._port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        options += ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        self._run([program("redis-server"), *options])
        wait_until(self._answers, START_SECONDS)

    def depth(self, queue: str) -> int:
        with Connection(self.url) as connection:
            return int(connection.default_channel.client.llen(queue))

    def unacknowledged(self) -> int:
        with Connection(self.url) as connection:
            return int(connection.default_channel.client.hlen("unacked"))

    def empty(self, queue: str) -> None:
        with Connection(self.url) as connection:
            connection.default_channel.client.flushall()


class RabbitMQ(Broker):
    """Run RabbitMQ as whoever runs the tests, with a port mapper of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._port, self._mapper_port = free_port(), free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self._port}//"
        (folder / "plugins").write_text("[].")
        self._environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(self._mapper_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"shop{self._port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
            "RABBITMQ_CONFIG_FILE": str(folder / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            # Two cores are enough, and nothing needs to be fast to begin with.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none +sbwtdcpu none",
        }

    def start(self) -> None:
        # In the foreground: started by Erlang itself, it would outlive everybody.
        self._run([program("epmd"), "-port", str(self._mapper_port)], self._environ)
        self._run([program("rabbitmq-server")], self._environ)
        wait_until(self._answers, START_SECONDS, every_seconds=0.2)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End what a program has left of its own group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def open_broker(kind: str, folder: Path) -> Broker:
    """Return a broker that is not started."""
    return {"rabbitmq": RabbitMQ, "redis": Redis}[kind](folder)
