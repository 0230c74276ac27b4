"""Decide which services run here and on which ports."""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

from chassis.config import Environ
from contracts.topology import PORT_OFFSETS
from launcher.config import GRPC_DISTANCE, LauncherConfig
from launcher.errors import UnknownService

GATEWAY: Final = "gateway"
KNOWN: Final = tuple(PORT_OFFSETS)
"""Every service that the shop may have, in the order in which they start."""

GRPC: Final = frozenset({"search"})
LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Service:
    """Say where one service runs; ``threads`` is None for the usual number."""

    name: str
    package: str
    host: str
    port: int
    threads: str | None = None

    @property
    def grpc_port(self) -> int | None:
        """Return the port of its gRPC server, None when it has none."""
        return self.port + GRPC_DISTANCE if self.name in GRPC else None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """List what this launcher runs."""

    config: LauncherConfig
    services: tuple[Service, ...]

    @property
    def port(self) -> int:
        """Return the port from which all others follow."""
        return self.config.port

    def at(self, port: int) -> Self:
        """Return the same plan, moved to another base port."""
        moved = tuple(replace(s, port=port + PORT_OFFSETS[s.name]) for s in self.services)
        return replace(self, config=replace(self.config, port=port), services=moved)


def package_of(name: str) -> str:
    """Return the Python package of a service."""
    return name if name == GATEWAY else f"services.{name}"


def is_installed(name: str) -> bool:
    """Tell whether this checkout holds the service's package, without importing it."""
    try:
        spec = importlib.util.find_spec(package_of(name))
    except ModuleNotFoundError:
        return False
    # A folder without __init__.py has no origin: it is no service yet.
    return spec is not None and spec.origin is not None


def make_plan(
    config: LauncherConfig,
    environ: Environ,
    *,
    only: Sequence[str] | None = None,
    installed: Callable[[str], bool] = is_installed,
) -> Plan:
    """Choose the services: those in ``only``, else all that no ``<SERVICE>_URL`` puts elsewhere.

    Raises:
        UnknownService: when ``only`` names something that this checkout doesn't hold.
    """
    here = [name for name in KNOWN if installed(name)]
    if missing := [name for name in only or () if name not in here]:
        raise UnknownService(
            f"There is no service called {', '.join(missing)} here: choose from {', '.join(here)}."
        )
    chosen = [name for name in here if (name in only if only else not _is_elsewhere(name, environ))]
    services = tuple(_service(name, config, environ) for name in chosen)
    return Plan(config=config, services=services).at(config.port)


def _is_elsewhere(name: str, environ: Environ) -> bool:
    return name != GATEWAY and bool(environ.get(f"{name.upper()}_URL"))


def _service(name: str, config: LauncherConfig, environ: Environ) -> Service:
    return Service(
        name=name,
        package=package_of(name),
        # Only the gateway is public, whatever HOST says.
        host=config.host if name == GATEWAY else LOOPBACK,
        port=0,
        threads=environ.get(f"{name.upper()}_THREADS") or None,
    )
