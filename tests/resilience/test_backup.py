"""Back the shop up while people buy, and open another one on the copy."""

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace

import pytest

from tests.e2e.running import ROOT, Shop
from tests.resilience.buyers import Crowd, wishes
from tests.resilience.history import History
from tests.resilience.invariants import Evidence, violations
from tests.resilience.proof import Proof, wait_until_quiet
from tests.resilience.records import Addresses, read_records
from tests.resilience.rounds import rounds
from tests.resilience.subscriber import Subscriber

pytestmark = pytest.mark.e2e

ORDERS_PER_ROUND = 25


@pytest.fixture
def proof(tmp_path):
    """Give a shop on files, since it is them that are backed up, whatever the run is about."""
    with Proof(tmp_path / "shop", RECONCILE_SECONDS="1") as proof:
        yield proof


# What was under way at the moment of the backup stays locked for 15 s.
@rounds(short=None, full=5)
def test_restored_shop_keeps_every_promise_up_to_the_backup(proof, tmp_path, progress, rounds):
    with Crowd(proof.buyers(6)) as crowd:
        for number in progress.rounds(range(rounds), rounds):
            crowd.want(wishes(ORDERS_PER_ROUND, seed=number))
            restored = tmp_path / f"restored-{number}"

            began = back_up_under_load(proof, restored / "var")

            with (
                Subscriber(restored) as subscriber,
                Shop(restored, NOTIFICATIONS_URL=subscriber.url) as shop,
            ):
                evidence = settled(proof, Addresses.of(shop), began)
            assert violations(evidence) == []
            assert evidence.records.orders
        assert crowd.wait(30)
    assert proof.violations() == []


@pytest.mark.long
def test_copy_of_a_busy_shop_is_whole_and_its_books_balance(proof, tmp_path):
    with Crowd(proof.buyers(4)) as crowd:
        crowd.want(wishes(20, seed=1))

        back_up_under_load(proof, tmp_path / "copy")

        assert crowd.wait(30)
    copies = {path.stem: path for path in (tmp_path / "copy").iterdir()}
    assert copies.keys() >= {"auth", "orders", "payments", "products", "provider"}
    assert [ask(path, "PRAGMA integrity_check") for path in copies.values()] == ["ok"] * len(copies)
    assert ask(copies["payments"], "SELECT coalesce(sum(amount_minor), 0) FROM ledger_entries") == 0
    assert ask(copies["orders"], "SELECT count(*) FROM orders") > 0


def back_up_under_load(proof, folder):
    """Back up while orders are being placed, and return the time just before."""
    wait_for_more_orders(proof)
    began = time.time()
    environ = {"SHOP_DATA_DIR": str(proof.shop.data), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "tools.backup", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=environ, check=False, capture_output=True)
    assert done.returncode == 0, done.stderr
    return began


def wait_for_more_orders(proof, more=5):
    """Return once some more orders are on record."""
    seen = len(read_records(proof.addresses).orders)
    deadline = time.monotonic() + 10
    while len(read_records(proof.addresses).orders) < seen + more:
        assert time.monotonic() < deadline, "nobody buys anything"
        time.sleep(0.02)


def settled(proof, addresses, moment):
    """Wait until a shop is quiet, and return what is known of it with what was heard until then."""
    heard = History.read(proof.recorder.path)
    calls = tuple(call for call in heard.calls if call.ended_at and call.ended_at < moment)
    # What came out of the outbox after the backup was sent by both shops, so it is left out here.
    look = lambda: Evidence(replace(heard, calls=calls), read_records(addresses))  # noqa: E731
    wait_until_quiet(look)
    return look()


def ask(path, query):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchone()[0]
