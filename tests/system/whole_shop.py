"""Run every service in this process, joined by function calls instead of sockets."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from flask import Flask

from contracts.topology import PORT_OFFSETS
from storage.database import Database
from tests.system.wsgi_adapter import WSGIAdapter

PORT = 8000
NEIGHBOURS = ("greetings", "products", "payments", "notifications", "orders", "accounts")


@dataclass(frozen=True)
class WholeShop:
    """Hold the applications by the name of their service."""

    apps: dict[str, Flask]

    def client(self, service: str) -> Any:
        return self.apps[service].test_client()


@contextmanager
def whole_shop(folder: Path, **environ: str) -> Iterator[WholeShop]:
    """Open a shop whose data lies in ``folder``."""
    settings = {
        "SHOP_DATA_DIR": str(folder),
        "PORT": str(PORT),
        "RECONCILE_SECONDS": "3600",
        "RELAY_SECONDS": "3600",
        **environ,
    }
    secrets_dir = folder / "secrets"
    secrets_dir.mkdir(parents=True, exist_ok=True)
    for service in PORT_OFFSETS:
        (secrets_dir / service).write_text(secrets.token_urlsafe(32))
    hosts: dict[str, Flask] = {}
    adapter = WSGIAdapter(hosts)
    apps = {}
    for name in ("auth", *NEIGHBOURS):
        package = import_module(f"services.{name}")
        config = import_module(f"services.{name}.config").Config.from_environ(settings)
        options = {}
        if name in NEIGHBOURS:
            clients = import_module(f"services.{name}.clients")
            options["clients"] = clients.connect(config, transport=adapter)
        elif name == "auth":
            connect = import_module("services.auth.clients").connect
            options["connect"] = partial(connect, transport=adapter)
        apps[name] = package.create_app(config, **options)
        hosts[f"127.0.0.1:{PORT + PORT_OFFSETS[name]}"] = apps[name]
    yield WholeShop(apps)
    for app in apps.values():
        for chore in app.extensions.get("background", ()):
            chore.stop()
    _close_databases(apps)


def _close_databases(apps: dict[str, Flask]) -> None:
    provider: Any = apps["payments"].extensions["till"].provider
    provider._database.close()
    for app in apps.values():
        for part in app.extensions.values():
            database = getattr(part, "database", part)
            if isinstance(database, Database):
                database.close()
