"""Hash passwords with argon2id, a bounded number at a time, and after everything else.

Sources: RFC 9106 (argon2); OWASP's password storage cheat sheet, for the parameters.
Patterns: Bulkhead (Nygard, Release It!), because each hash takes a core and 19 MiB; Controlled
delay (Nichols and Jacobson, CoDel), because a line that does not end is no burst.  The threads have
a low priority, so that whoever floods the log-in slows nobody down who looks at the shop.
"""

import ctypes
import os
import secrets
import sys
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import argon2
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from .errors import HasherBusy, UnusableHash

MEMORY_KIB = 19456
PASSES = 2
LANES = 1
# A caller waits this long for a free core. The gateway takes a second of silence for a failure of
# this service, which would count against it, and on a busy machine the hash takes time as well.
WAIT_SECONDS = 0.5
# After a line has lasted this long it is a flood, in which callers wait for this share of that
# time: they would else hold every thread of the service, and what is no log-in would get none.
BURST_SECONDS = 0.5
FLOOD_SHARE = 0.1
# Of what is contended for, a thread that is this nice gets a third of what another gets: at 10 it
# would be a tenth, and on a busy machine nobody could sign in.
NICENESS = 5

# mallopt(3): the smallest request that gets memory of its own, which goes back when it is freed.
_M_MMAP_THRESHOLD = -3
_MMAP_THRESHOLD_BYTES = 1024 * 1024


class PasswordHasher:
    """Make and check hashes; safe to share between threads."""

    def __init__(
        self,
        *,
        memory_kib: int = MEMORY_KIB,
        passes: int = PASSES,
        max_concurrent: int | None = None,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        """Set the cost of new hashes.

        Args:
            memory_kib: memory that each takes.
            passes: how often it goes through that memory.
            max_concurrent: hashes at once; as many as there are cores when it is None.
            wait_seconds: how long a caller waits for one of these places.
        """
        _return_memory_at_once()
        self._argon2 = argon2.PasswordHasher(passes, memory_kib, LANES)
        places = max_concurrent or os.cpu_count() or 1
        self._places = threading.BoundedSemaphore(places)
        self._threads = ThreadPoolExecutor(places, "hashing", initializer=_step_back)
        self._wait_seconds = wait_seconds
        self._lock, self._waiting, self._empty_at = threading.Lock(), 0, 0.0
        self._decoy = self.hash(secrets.token_urlsafe())

    def hash(self, password: str) -> str:
        """Return a new hash, with a salt of its own.

        Raises:
            HasherBusy: no place became free in time.
        """
        with self._place():
            return self._threads.submit(self._argon2.hash, normal(password)).result()

    def matches(
        self, stored: str | None, password: str, *, first: Callable[[], object] | None = None
    ) -> bool:
        """Tell whether a password belongs to a hash; None, for no such user, takes as long.

        Args:
            stored: the hash.
            password: as it was typed.
            first: called once there is a place, such as to count the guess; what it raises passes,
                and nothing is hashed.

        Raises:
            HasherBusy: no place became free in time.
            UnusableHash: the hash can't be checked against.
        """
        with self._place():
            if first:
                first()
            try:
                hashed = stored or self._decoy
                self._threads.submit(self._argon2.verify, hashed, normal(password)).result()
            except VerifyMismatchError:
                return False
            except (VerificationError, InvalidHashError) as error:
                raise UnusableHash(str(error)) from error
        return stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Tell whether a hash was made with other parameters than new ones are."""
        return self._argon2.check_needs_rehash(stored)

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._wait_in_line():
            raise HasherBusy(retry_after_seconds=self._wait_seconds)
        try:
            yield
        finally:
            self._places.release()

    def _wait_in_line(self) -> bool:
        """Tell whether a place became free in time."""
        with self._lock:
            now = time.monotonic()
            if not self._waiting:
                self._empty_at = now
            lasts = now - self._empty_at
            self._waiting += 1
        share = FLOOD_SHARE if lasts > BURST_SECONDS else 1
        got_it = self._places.acquire(timeout=self._wait_seconds * share)
        with self._lock:
            self._waiting -= 1
        return got_it


def _step_back() -> None:
    # On Linux each thread has a priority of its own; elsewhere it would be that of the process.
    if sys.platform == "linux":
        with suppress(OSError):
            thread = threading.get_native_id()
            niceness = os.getpriority(os.PRIO_PROCESS, thread) + NICENESS
            os.setpriority(os.PRIO_PROCESS, thread, niceness)


def normal(password: str) -> str:
    """Return the form in which passwords are compared and hashed."""
    # RFC 8265: keyboards differ in how they compose an accented letter.
    return unicodedata.normalize("NFC", password)


def _return_memory_at_once() -> None:
    # Else glibc keeps 19 MiB for each thread that ever hashed: 150 MiB after a few log-ins.
    # Other C libraries have no such function, and no such habit.
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_BYTES)
