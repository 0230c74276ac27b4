import ctypes
import os
import re
import resource
import sys
import threading
import time
from pathlib import Path

import pytest

from services.auth.errors import HasherBusy, UnusableHash
from services.auth.passwords import PasswordHasher

COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


@pytest.fixture(scope="module")
def hasher():
    """Hash as cheaply as argon2 allows."""
    return PasswordHasher(memory_kib=8, passes=1, max_concurrent=1, wait_seconds=0.01)


def test_new_hashes_have_the_parameters_that_owasp_asks_for():
    assert re.match(r"\$argon2id\$v=19\$m=19456,t=2,p=1\$", PasswordHasher().hash("x"))


def test_every_hash_has_a_salt_of_its_own(hasher):
    assert hasher.hash("x") != hasher.hash("x")


@pytest.mark.parametrize(
    "password", ["x", " x ", "x" * 64, "x" * 1024, "\N{TEST TUBE}\u200d", "a\nb"]
)
def test_password_belongs_to_its_hash(hasher, password):
    assert hasher.matches(hasher.hash(password), password)


@pytest.mark.parametrize(
    ("password", "other"), [("x", "X"), ("x", "x "), ("x", ""), ("x" * 72 + "a", "x" * 72 + "b")]
)
def test_password_that_differs_anywhere_does_not(hasher, password, other):
    assert not hasher.matches(hasher.hash(password), other)


@pytest.mark.parametrize(("hashed", "typed"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)])
def test_it_does_not_matter_how_a_keyboard_composes_a_letter(hasher, hashed, typed):
    assert hasher.matches(hasher.hash(hashed), typed)


@pytest.mark.parametrize("password", ["x", "", "nobody"])
def test_no_password_belongs_to_nobody(hasher, password):
    assert not hasher.matches(None, password)


def test_hash_of_other_parameters_is_outdated(hasher):
    assert PasswordHasher().is_outdated(hasher.hash("x"))
    assert not hasher.is_outdated(hasher.hash("x"))


@pytest.mark.parametrize("change", ["", "x", "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA!"])
def test_damaged_hash_is_named_and_gives_its_place_back(hasher, change):
    with pytest.raises(UnusableHash):
        hasher.matches(change or hasher.hash("x")[:-2], "x")

    assert hasher.hash("x")


@pytest.mark.parametrize("use", [lambda h: h.hash("x"), lambda h: h.matches(None, "x")])
def test_no_more_hashes_than_places_are_made_at_once(hasher, use):
    with hasher._place(), pytest.raises(HasherBusy) as refusal:
        use(hasher)

    assert int(refusal.value.headers["Retry-After"]) >= 1
    assert use(hasher) is not None


def test_waiting_caller_gets_the_place_that_becomes_free():
    hasher = PasswordHasher(memory_kib=8, passes=1, max_concurrent=1, wait_seconds=10)
    hashes = []
    with hasher._place():
        waiting = threading.Thread(target=lambda: hashes.append(hasher.hash("x")))
        waiting.start()
        assert hashes == []
    waiting.join()

    assert len(hashes) == 1


def resident_mib():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="needs glibc and Linux")
def test_hashing_leaves_no_memory_behind_in_its_threads():
    hasher = PasswordHasher()
    ready, done = threading.Barrier(9, timeout=30), threading.Barrier(9, timeout=30)

    def hash_and_stay():
        ready.wait()
        for _ in range(2):
            with lock:
                hasher.matches(None, "x")
        done.wait()
        done.wait()

    lock = threading.Lock()
    threads = [threading.Thread(target=hash_and_stay) for _ in range(8)]
    for thread in threads:
        thread.start()
    before = resident_mib()
    ready.wait()
    done.wait()
    after = resident_mib()
    done.wait()
    for thread in threads:
        thread.join()

    # Eight threads would keep 19 MiB each.
    assert after - before < 19


def test_line_that_does_not_end_is_left_soon(monkeypatch):
    hasher = PasswordHasher(memory_kib=8, passes=1, max_concurrent=1, wait_seconds=10)
    monkeypatch.setattr("services.auth.passwords.BURST_SECONDS", -1)
    monkeypatch.setattr("services.auth.passwords.FLOOD_SHARE", 0.001)

    started = time.monotonic()

    with hasher._place(), pytest.raises(HasherBusy):
        hasher.hash("x")

    assert time.monotonic() - started < 5
    assert hasher.hash("x")


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own")
def test_hashing_steps_back_behind_everything_else(hasher):
    def niceness():
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    assert hasher._threads.submit(niceness).result() == min(19, niceness() + 5)
