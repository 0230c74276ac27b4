"""Keep one service's secrets out of the environment of the others.

Every process of this user can read ``/proc/<pid>/environ``, which shows what a process was
started with, whatever it deleted since: so a forked child blanks those bytes of its own memory.
"""

import ctypes
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from launcher.plan import KNOWN

SECRET: Final = re.compile(r"SECRET|PASSWORD|TOKEN|KEY|DATABASE_URL")
# What may hold a password without the name of a service, and who reads it.
READERS: Final = {
    "CELERY_BROKER_URL": {"accounts", "auth", "notifications", "orders"},
    "REDIS_URL": {"gateway"},
    "SMTP_URL": {"notifications"},
}
# Positions in /proc/<pid>/stat, counted from the field after the program's name (proc(5)).
ENV_START, ENV_END = 47, 48


def foreign_secrets(service: str, names: Iterable[str]) -> list[str]:
    """Return the variables that hold a secret of another service, such as ``AUTH_SIGNING_KEY``."""
    others = tuple(f"{other.upper()}_" for other in KNOWN if other != service)
    return [
        name
        for name in names
        if (name.startswith(others) and SECRET.search(name))
        or service not in READERS.get(name, {service})
    ]


def forget_foreign_secrets(service: str) -> None:
    """Remove the other services' secrets from this process, its first environment included."""
    names = foreign_secrets(service, os.environ)
    for name in names:
        del os.environ[name]
    if names and sys.platform == "linux":
        _blank(frozenset(os.fsencode(name) for name in names))


def _blank(names: frozenset[bytes]) -> None:
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    address, end = int(fields[ENV_START]), int(fields[ENV_END])
    for entry in ctypes.string_at(address, end - address).split(b"\0"):
        if entry.partition(b"=")[0] in names:
            ctypes.memset(address, 0, len(entry))
        address += len(entry) + 1
