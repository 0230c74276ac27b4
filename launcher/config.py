"""Read the launcher's own settings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chassis.config import Environ, Settings, data_dir, one_of, setting
from contracts.topology import DEFAULT_PORT, PORT_OFFSETS

GRPC_DISTANCE: Final = 1000
HIGHEST_BASE_PORT: Final = 65535 - GRPC_DISTANCE - max(PORT_OFFSETS.values())


def base_port(text: str) -> int:
    """Read the gateway's port, from which all others follow; 0 picks free ones.

    Raises:
        ValueError: when the last service's port would be out of range.
    """
    port = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= port <= HIGHEST_BASE_PORT:
        raise ValueError(f"{text!r} is no whole number from 0 to {HIGHEST_BASE_PORT}")
    return port


def _secrets_dir(environ: Environ) -> Path:
    return data_dir(environ) / "secrets"


@dataclass(frozen=True, kw_only=True)
class LauncherConfig(Settings):
    """Hold where the shop listens and where it keeps things."""

    port: int = setting(
        "PORT",
        default=DEFAULT_PORT,
        parse=base_port,
        doc="port of the gateway; the services follow at PORT+1 and up; 0 picks free ones",
    )
    host: str = setting("HOST", default="127.0.0.1", doc="address on which the gateway listens")
    environment: str = setting(
        "SHOP_ENV",
        default="development",
        parse=one_of("development", "production"),
        doc="`production` has no demo users",
    )
    data_dir: Path = setting(
        "SHOP_DATA_DIR", default=data_dir, parse=Path, doc="folder of everything that is kept"
    )
    secrets_dir: Path = setting(
        "SHOP_SECRETS_DIR",
        default=_secrets_dir,
        parse=Path,
        doc="folder with one client secret a file",
    )
