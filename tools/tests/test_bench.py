"""Test the bench: the past that it gives to a shop, and the table that it prints."""

import pytest
from sqlalchemy import create_engine, text

from tools.bench import checkout
from tools.bench.checkout import Result, Till
from tools.bench.history import databases_in, grow


@pytest.fixture
def shop(tmp_path):
    """Lay out two databases that know of one order, and of something else."""
    engine = create_engine(f"sqlite:///{tmp_path}/a.sqlite3")
    with engine.begin() as connection:
        connection.execute(
            text("CREATE TABLE orders (id VARCHAR(40) PRIMARY KEY, key TEXT, n INT)")
        )
        connection.execute(
            text("CREATE TABLE steps (id INTEGER PRIMARY KEY, order_id TEXT, s TEXT)")
        )
        connection.execute(
            text("INSERT INTO orders VALUES ('ord_one-12345678', 'key-12345678', 7)")
        )
        connection.execute(text("INSERT INTO orders VALUES ('other', 'k', 8)"))
        for status in ("pending", "confirmed"):
            values = {"status": status}
            connection.execute(
                text("INSERT INTO steps VALUES (NULL, 'ord_one-12345678', :status)"), values
            )
    engine.dispose()
    engine = create_engine(f"sqlite:///{tmp_path}/b.sqlite3")
    with engine.begin() as connection:
        connection.execute(
            text("CREATE TABLE records (sequence INTEGER PRIMARY KEY, id TEXT UNIQUE, about TEXT)")
        )
        connection.execute(
            text("INSERT INTO records VALUES (1, 'rec-12345678', 'ord_one-12345678:x')")
        )
    engine.dispose()
    return tmp_path


def rows(folder, name, query):
    engine = create_engine(f"sqlite:///{folder}/{name}.sqlite3")
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(text(query))]
    engine.dispose()
    return found


def test_past_is_copied_in_every_table_that_knows_of_the_order(shop):
    advanced = []

    grow(databases_in(shop), ["ord_one-12345678", "key-12345678"], 3, advanced.append)

    orders = rows(shop, "a", "SELECT id, key, n FROM orders WHERE n = 7 ORDER BY id")
    copies = [(f"ord_one-0000000{n}", f"key-0000000{n}", 7) for n in range(3)]
    assert orders == [*copies, ("ord_one-12345678", "key-12345678", 7)]
    steps = "SELECT count(*), count(DISTINCT order_id), count(DISTINCT s) FROM steps"
    assert rows(shop, "a", steps) == [(8, 4, 2)]
    records = rows(shop, "b", "SELECT id, about FROM records WHERE sequence = 3")
    assert records == [("rec-00000001", "ord_one-00000001:x")]
    assert sum(advanced) == 6


def test_what_is_not_about_the_order_stays_alone(shop):
    grow(databases_in(shop), ["ord_one-12345678"], 2, lambda _: None)

    assert rows(shop, "a", "SELECT count(*) FROM orders WHERE n = 8") == [(1,)]


@pytest.mark.parametrize(
    ("spent", "expected"),
    [
        ((20_000, 22_000), []),
        ((26_000, 26_000), ["26.0 ms a checkout are above 25 ms"]),
        ((10_000, 13_000), ["growth by 1.30 is above 1.2"]),
    ],
)
def test_what_passes_a_limit_is_named(spent, expected):
    tills = []
    for total in spent:
        till = Till.__new__(Till)
        till.past, till.orders, till.spent = (
            1,
            1_000,
            {"orders": total / 4, "payments": total / 4 * 3},
        )
        tills.append(till)

    assert Result(tills, 1.0).failures() == expected


@pytest.mark.e2e
@pytest.mark.services
@pytest.mark.parametrize("pasts", [[40], pytest.param([2, 40], marks=pytest.mark.long)])
def test_each_process_is_measured_after_the_past_that_was_asked_for(tmp_path, monkeypatch, pasts):
    monkeypatch.setattr(checkout, "WARM_UP", 1)

    result = checkout.measure(tmp_path, pasts, 10)

    table = {line.split()[0]: line.split()[-len(pasts) :] for line in result.lines()}
    services = ("accounts", "auth", "gateway", "greetings", "notifications")
    services += ("orders", "payments", "products")
    orders, bought = "SELECT count(*) FROM orders", 1 + checkout.WARM_UP + 10
    for column, past in enumerate(pasts):
        total = sum(float(table[part][column]) for part in ("launcher", *services))
        assert 1 < float(table["sum"][column]) == pytest.approx(total, abs=0.05)
        assert rows(tmp_path / str(past), "orders", orders) == [(past + bought,)]
    assert result.commits_ms > 0
