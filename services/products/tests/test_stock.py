"""Show that no unit is sold twice or lost, whatever happens at once or after one another."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from chassis.errors import ServiceError
from chassis.testing import FakeClock
from contracts.money import Money
from services.products import reservations, service
from services.products.domain import Status
from services.products.models import Base, Product, ReservationLineRow, ReservationRow

from .conftest import an_item

LIFE_SECONDS = 10
THREADS = 64


@pytest.fixture(scope="module")
def items():
    return [an_item(1, stock=50), an_item(2, stock=1000)]


def test_fifty_units_are_sold_fifty_times_to_whoever_comes_at_once(make_app, orders, stock_of):
    processes = [make_app().test_client(), make_app().test_client()]
    start = threading.Barrier(THREADS)

    def buy(number):
        # Half of them name the products in the other order.
        lines = [{"product_id": 1, "quantity": 1}, {"product_id": 2, "quantity": 2}]
        body = {"reservation_id": f"r{number}", "items": lines[:: 1 if number % 2 else -1]}
        start.wait()
        client = processes[number % 2]
        return client.post("/internal/reservations", json=body, headers=orders).status_code

    with ThreadPoolExecutor(THREADS) as pool:
        statuses = list(pool.map(buy, range(THREADS)))

    assert sorted(statuses) == [201] * 50 + [409] * (THREADS - 50)
    assert (stock_of(1), stock_of(2)) == (0, 900)


def test_one_reservation_that_is_asked_for_many_times_at_once_is_made_once(
    make_app, orders, stock_of
):
    processes = [make_app().test_client(), make_app().test_client()]
    body = {"reservation_id": "r1", "items": [{"product_id": 1, "quantity": 3}]}

    def buy(number):
        client = processes[number % 2]
        return client.post("/internal/reservations", json=body, headers=orders).status_code

    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(buy, range(16)))

    assert sorted(statuses) == [200] * 15 + [201]
    assert stock_of(1) == 47


def test_database_itself_refuses_a_negative_stock(app):
    database = app.extensions["database"]

    with pytest.raises(IntegrityError, match="stock_never_negative"), database.write() as session:
        session.get(Product, 1).stock = -1


names = st.sampled_from(["a", "b"])
GONE = {Status.RELEASED: "reservation_released", Status.EXPIRED: "reservation_expired"}

wishes = st.dictionaries(st.integers(1, 3), st.integers(1, 6), min_size=1)


class Shelf(RuleBasedStateMachine):
    """Reserve, confirm, release, restock and wait in any order, and keep books beside it."""

    def __init__(self, database):
        super().__init__()
        self.database = database
        self.clock = FakeClock()
        self.owned = {1: 10, 2: 5, 3: 0}
        self.books = {}
        with self.database.write() as session:
            for table in reversed(Base.metadata.sorted_tables):
                session.execute(table.delete())
            for product_id, stock in self.owned.items():
                product = Product(id=product_id, stock=stock)
                texts = dict.fromkeys(("title", "brand", "category", "description"), "x")
                product.assign({**texts, "price": Money(100), "tags": []})
                session.add(product)

    def status(self, name):
        """Return the state that the books give a reservation now."""
        status, ends, _ = self.books.get(name, (None, None, None))
        return Status.EXPIRED if status is Status.HELD and ends <= self.clock.now() else status

    def available(self):
        """Return the stock that the books leave to buy."""
        left = dict(self.owned)
        for name, (_, _, wanted) in self.books.items():
            if self.status(name) in {Status.HELD, Status.CONFIRMED}:
                left = {number: left[number] - wanted.get(number, 0) for number in left}
        return left

    def outcome(self, act, *arguments, opened=None):
        """Return what a use case returns, or the code of its refusal."""
        try:
            with opened or self.database.write() as session:
                return act(session, *arguments)
        except ServiceError as error:
            return error.code

    @rule(name=names, wanted=wishes)
    def reserve(self, name, wanted):
        status = self.status(name)
        wanted = dict(sorted(wanted.items()))
        enough = all(self.available()[number] >= quantity for number, quantity in wanted.items())

        now = self.clock.now()
        opened = service.changing_stock(self.database, now)
        reserve = reservations.reserve
        outcome = self.outcome(reserve, name, wanted, now, LIFE_SECONDS, opened=opened)

        if status in {Status.HELD, Status.CONFIRMED}:
            expected = (status, False) if self.books[name][2] == wanted else "reservation_mismatch"
        elif status is None and enough:
            expected = (Status.HELD, True)
            ends = self.clock.now() + timedelta(seconds=LIFE_SECONDS)
            self.books[name] = (Status.HELD, ends, wanted)
        else:
            expected = {
                None: "out_of_stock",
                Status.RELEASED: "reservation_released",
                Status.EXPIRED: "reservation_expired",
                Status.RESTOCKED: "illegal_reservation_state",
            }[status]
        seen = outcome if isinstance(outcome, str) else (outcome[0].status, outcome[1])
        assert seen == expected

    def settle(self, use_case, name, edges, others):
        status = self.status(name)
        outcome = self.outcome(use_case, name, self.clock.now())
        assert outcome == edges.get(status, others.get(status, "illegal_reservation_state"))
        if status in edges and edges[status] is not status:
            ends, wanted = self.books.get(name, (None, None, {}))[1:]
            self.books[name] = (edges[status], ends, wanted)

    @rule(name=names)
    def confirm(self, name):
        edges = {Status.HELD: Status.CONFIRMED, Status.CONFIRMED: Status.CONFIRMED}
        self.settle(reservations.confirm, name, edges, {**GONE, None: "reservation_not_found"})

    @rule(name=names)
    def release(self, name):
        same = {status: status for status in (Status.RELEASED, Status.EXPIRED)}
        edges = {Status.HELD: Status.RELEASED, None: Status.RELEASED, **same}
        self.settle(reservations.release, name, edges, {})

    @rule(name=names)
    def restock(self, name):
        edges = {Status.CONFIRMED: Status.RESTOCKED, Status.RESTOCKED: Status.RESTOCKED}
        self.settle(reservations.restock, name, edges, {**GONE, None: "reservation_not_found"})

    @rule(seconds=st.sampled_from([LIFE_SECONDS - 1, LIFE_SECONDS]))
    def wait(self, seconds):
        self.clock.advance(seconds)

    @rule(number=st.integers(1, 3), stock=st.integers(0, 8))
    def count_the_shelf(self, number, stock):
        before = self.available()[number]
        with service.changing_stock(self.database, self.clock.now()) as session:
            service.set_stock(session, number, stock)
        self.owned[number] += stock - before

    @rule()
    def sweep(self):
        reservations.expire_reservations(self.database, self.clock.now())

    @precondition(lambda self: len(self.books) > 1)
    @rule()
    def look(self):
        with service.current_stock(self.database, self.clock.now()) as session:
            shown = {number: service.get_product(session, number).stock for number in self.owned}

        assert shown == self.available()

    @invariant()
    def every_unit_is_somewhere_once(self):
        with self.database.read() as session:
            stock = dict(session.execute(select(Product.id, Product.stock)).all())
            lines = session.execute(
                select(ReservationLineRow.product_id, ReservationLineRow.quantity)
                .join(ReservationRow, ReservationRow.id == ReservationLineRow.reservation_id)
                .where(ReservationRow.status.in_([Status.HELD, Status.CONFIRMED]))
            ).all()
        assert min(stock.values()) >= 0
        for product_id, quantity in lines:
            stock[product_id] += quantity
        assert stock == self.owned


def test_shelf_keeps_its_books_in_any_order_of_events(empty_database):
    run_state_machine_as_test(
        lambda: Shelf(empty_database),
        settings=settings(max_examples=30, stateful_step_count=20, deadline=None),
    )


def test_last_unit_that_one_order_asks_for_many_times_at_once_stays_its_own(
    make_app, orders, operator, stock_of
):
    processes = [make_app().test_client(), make_app().test_client()]
    for number in range(5):
        path = "/api/v1/products/1/stock"
        assert processes[0].put(path, json={"stock": 1}, headers=operator).status_code == 200
        body = {"reservation_id": f"last-{number}", "items": [{"product_id": 1, "quantity": 1}]}

        def buy(copy, body=body):
            return processes[copy % 2].post("/internal/reservations", json=body, headers=orders)

        with ThreadPoolExecutor(8) as pool:
            statuses = [answer.status_code for answer in pool.map(buy, range(8))]

        assert sorted(statuses) == [200] * 7 + [201]
        assert stock_of(1) == 0


def test_release_that_comes_with_its_reservation_leaves_nothing_held(make_app, orders, stock_of):
    processes = [make_app().test_client(), make_app().test_client()]
    before = stock_of(1)

    def call(number):
        client, name = processes[number % 2], f"both-{number // 2}"
        if number % 2:
            return client.post(f"/internal/reservations/{name}/release", headers=orders)
        body = {"reservation_id": name, "items": [{"product_id": 1, "quantity": 1}]}
        return client.post("/internal/reservations", json=body, headers=orders)

    with ThreadPoolExecutor(8) as pool:
        statuses = {answer.status_code for answer in pool.map(call, range(40))}

    assert statuses <= {200, 201, 409}
    assert stock_of(1) == before
