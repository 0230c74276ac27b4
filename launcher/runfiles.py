"""Keep ``<data>/run/<service>.json``: which process serves where, for people and tools."""

import json
import os
from pathlib import Path

from launcher.plan import Service


class RunFiles:
    """Write and remove the files of one data folder."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "run"

    def write(self, service: Service, pid: int) -> None:
        """Publish the process of a service; a reader sees the old file or the new one, whole."""
        self._folder.mkdir(parents=True, exist_ok=True)
        entry = {
            "service": service.name,
            "pid": pid,
            "port": service.port,
            "grpc_port": service.grpc_port,
        }
        draft = self._folder / f".{service.name}.{os.getpid()}"
        draft.write_text(json.dumps(entry) + "\n")
        draft.replace(self._path(service))

    def remove(self, service: Service) -> None:
        """Withdraw the file of a service that is stopped; safe to call twice."""
        self._path(service).unlink(missing_ok=True)

    def _path(self, service: Service) -> Path:
        return self._folder / f"{service.name}.json"
