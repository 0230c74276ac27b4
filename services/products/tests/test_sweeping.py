"""Let reservations expire unseen, and see the sweep put their goods back on sale."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from chassis.testing import TokenMint, bearer
from services.products import create_app, repository, reservations
from services.products.clients import Clients
from services.products.config import Config
from services.products.models import Product, ReservationRow
from storage.database import Database
from tests.databases import Statements

from .conftest import LIFE_SECONDS, an_item

PATH = "/internal/reservations"
STOCK = 1000
LATE_SECONDS = 2.0


@pytest.fixture(scope="module")
def items():
    return [an_item(1, stock=STOCK), an_item(2, stock=STOCK)]


@pytest.fixture
def database(app):
    return app.extensions["database"]


@pytest.fixture
def reserve(client, orders):
    def reserve(name, quantity=1, product_id=1):
        lines = [{"product_id": product_id, "quantity": quantity}]
        body = {"reservation_id": name, "items": lines}
        return client.post(PATH, json=body, headers=orders).status_code

    return reserve


def stored_stock(database, product_id=1):
    """Return the stock as it is stored; whoever asks the service would sweep first."""
    with database.read() as session:
        return session.scalar(select(Product.stock).where(Product.id == product_id))


def statuses(database):
    with database.read() as session:
        counts = select(ReservationRow.status, func.count()).group_by(ReservationRow.status)
        return dict(session.execute(counts).all())


def test_sweep_puts_back_what_has_expired_and_nothing_else(reserve, database, clock):
    reserve("old", 3)
    clock.advance(LIFE_SECONDS / 2)
    reserve("young", 4)
    clock.advance(LIFE_SECONDS / 2)

    swept = [reservations.expire_reservations(database, clock.now()) for _ in range(3)]

    assert swept == [1, 0, 0]
    assert stored_stock(database) == STOCK - 4
    assert statuses(database) == {"expired": 1, "held": 1}


def test_quiet_sweep_writes_nothing(database, clock):
    with Statements(database.engine) as statements:
        reservations.expire_reservations(database, clock.now())

    assert [sql.split()[0] for sql, _ in statements.seen if sql != "BEGIN"] == ["SELECT"]


def test_hundred_expiries_are_exact_however_many_processes_sweep(
    reserve, make_app, database, clock, monkeypatch
):
    monkeypatch.setattr(repository, "_LOCK_DUE", repository._LOCK_DUE.limit(7))
    for number in range(100):
        reserve(f"r{number}", 1 + number % 3, product_id=1 + number % 2)
    clock.advance(LIFE_SECONDS)
    databases = [make_app().extensions["database"] for _ in range(2)] * 4
    together = threading.Barrier(8)

    def sweep(number):
        together.wait()
        return reservations.expire_reservations(databases[number], clock.now())

    with ThreadPoolExecutor(8) as pool:
        swept = list(pool.map(sweep, range(8)))

    assert sum(swept) == 100
    assert (stored_stock(database, 1), stored_stock(database, 2)) == (STOCK, STOCK)


def test_confirmation_and_expiry_at_once_end_in_one_of_them(
    reserve, make_app, database, clock, orders
):
    clients = [make_app().test_client() for _ in range(2)]
    now = clock.now()
    for number in range(40):
        reserve(f"r{number}")
    together = threading.Barrier(4)

    def confirm(half):
        together.wait()
        paths = [f"{PATH}/r{number}/confirm" for number in range(half, 40, 2)]
        return [clients[half].post(path, headers=orders).status_code for path in paths]

    def sweep(_):
        together.wait()
        # These clocks are ahead; of whichever comes first, the other has to take note.
        later = now + timedelta(seconds=LIFE_SECONDS)
        return [reservations.expire_reservations(database, later) for _ in range(20)]

    with ThreadPoolExecutor(4) as pool:
        confirming = [pool.submit(confirm, half) for half in range(2)]
        sweeping = [pool.submit(sweep, number) for number in range(2)]
        answers = [status for future in confirming for status in future.result()]
        swept = sum(count for future in sweeping for count in future.result())

    assert set(answers) <= {200, 409}
    assert swept == answers.count(409)
    assert stored_stock(database) == STOCK - answers.count(200)


@pytest.mark.parametrize(("verb", "code"), [("confirm", 409), ("release", 200)])
def test_reservation_that_is_due_but_not_swept_has_expired(
    reserve, client, orders, clock, database, verb, code
):
    reserve("r1", 3)
    clock.advance(LIFE_SECONDS)

    answer = client.post(f"{PATH}/r1/{verb}", headers=orders)

    assert (answer.status_code, "expired" in answer.text) == (code, True)
    reservations.expire_reservations(database, clock.now())
    assert stored_stock(database) == STOCK


def test_same_new_id_at_once_is_found_by_the_second(reserve, monkeypatch):
    attempts, reserve_once = [], reservations.reserve

    def collide(*arguments, **options):
        attempts.append(arguments)
        if len(attempts) == 1:
            raise IntegrityError("insert", {}, Exception())
        return reserve_once(*arguments, **options)

    monkeypatch.setattr(reservations, "reserve", collide)

    assert reserve("r1") == 201


def test_due_reservations_are_found_by_their_index(reserve, database, clock):
    reserve("r1")
    clock.advance(LIFE_SECONDS)
    with Statements(database.engine) as statements:
        reservations.expire_reservations(database, clock.now())

    assert any("ix_reservations_due" in plan for plan in statements.plans())


def test_expiry_locks_rows_where_the_database_can():
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - of this test only.

    statement = str(repository._LOCK_DUE.compile(dialect=postgresql.dialect()))

    assert "ORDER BY reservations.id" in statement
    assert statement.endswith("FOR UPDATE")


@pytest.mark.slow
def test_goods_of_two_processes_are_back_two_seconds_late_at_most(config, tmp_path):
    """Case 62, in real time and with nobody who looks."""
    mint = TokenMint()
    environ = {
        "SHOP_DATA_DIR": str(tmp_path),
        "PRODUCTS_CATALOGUE": str(config.catalogue),
        "RESERVATION_SECONDS": "2",
    }
    apps = [create_app(Config.from_environ(environ), clients=Clients(mint, None)) for _ in range(2)]
    orders = bearer(mint.service("orders", "reservations:write"))
    clients = [app.test_client() for app in apps]
    reader = Database(Config.from_environ(environ).database_url)
    for number in range(100):
        body = {"reservation_id": f"r{number}", "items": [{"product_id": 1, "quantity": 2}]}
        assert clients[number % 2].post(PATH, json=body, headers=orders).status_code == 201
    last_expiry = datetime.now(UTC) + timedelta(seconds=2)
    held = stored_stock(reader)

    while stored_stock(reader) < STOCK and datetime.now(UTC) < last_expiry + timedelta(seconds=10):
        time.sleep(0.02)
    late = (datetime.now(UTC) - last_expiry).total_seconds()

    for app in apps:
        for chore in app.extensions["background"]:
            chore.stop()
        app.extensions["database"].close()
    assert held < STOCK
    assert stored_stock(reader) == STOCK
    assert late <= LATE_SECONDS
    reader.close()
