"""Make each service's client secret on the first start, and never touch it again."""

import contextlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from launcher.errors import DataFolderUnusable

SECRET_BYTES: Final = 32  # 256 bits.


def make_client_secrets(folder: Path, services: Iterable[str]) -> None:
    """Write a random secret for each service that has none yet, readable by this user only.

    Safe to call from two launchers at once: the first one's secret stays.

    Raises:
        DataFolderUnusable: when a secret is missing and can't be written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for service in services:
            if not (folder / service).exists():
                _create(folder / service)
    except OSError as error:
        raise DataFolderUnusable(
            f"The folder for client secrets {folder} can't be written "
            f"({os.strerror(error.errno or 0)}): make it writable for this user, or name another "
            "one in SHOP_SECRETS_DIR."
        ) from error


def _create(path: Path) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{secrets.token_urlsafe(SECRET_BYTES)}\n")
        # A link, unlike a rename, never replaces: whoever comes second keeps the first one's.
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()
