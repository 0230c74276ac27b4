"""Hold reservations against the contract, over HTTP and with a clock that stands still."""

from datetime import timedelta

import pytest

from services.products.domain import MOVES, Status

from .conftest import LIFE_SECONDS

PATH = "/internal/reservations"


@pytest.fixture
def reserve(client, orders):
    """Reserve (product, quantity) pairs under an id."""

    def reserve(*pairs, name="r1", headers=orders):
        items = [{"product_id": product_id, "quantity": quantity} for product_id, quantity in pairs]
        return client.post(PATH, json={"reservation_id": name, "items": items}, headers=headers)

    return reserve


@pytest.fixture
def move(client, orders):
    """Confirm, release or restock a reservation."""
    return lambda verb, name="r1": client.post(f"{PATH}/{name}/{verb}", headers=orders)


def test_reservation_holds_goods_back_at_the_price_of_the_moment(reserve, stock_of, clock):
    answer = reserve((2, 1), (1, 3))

    expires_at = clock.now() + timedelta(seconds=LIFE_SECONDS)
    money = [{"amount_minor": 1050, "currency": "USD"}, {"amount_minor": 700, "currency": "USD"}]
    assert answer.status_code == 201
    assert answer.get_json() == {
        "id": "r1",
        "status": "held",
        "expires_at": expires_at.isoformat(),
        "items": [
            {"product_id": 1, "quantity": 3, "title": "Potion 1", "price": money[0]},
            {"product_id": 2, "quantity": 1, "title": "Potion 2", "price": money[1]},
        ],
    }
    assert (stock_of(1), stock_of(2)) == (7, 9)


def test_repetition_gets_the_same_reservation_and_takes_nothing(reserve, stock_of, client, orders):
    first = reserve((1, 3), (2, 1))

    again = reserve((2, 1), (1, 1), (1, 2))

    assert (again.status_code, again.get_json()) == (200, first.get_json())
    assert client.get(f"{PATH}/r1", headers=orders).get_json() == first.get_json()
    assert stock_of(1) == 7


def test_reservation_keeps_its_price_when_the_catalogue_changes(reserve, client, operator):
    first = reserve((1, 1)).get_json()
    client.patch("/api/v1/products/1", json={"title": "Renamed"}, headers=operator)

    assert reserve((1, 1)).get_json() == first


def test_same_id_for_other_goods_is_refused(reserve, stock_of):
    reserve((1, 3))

    answer = reserve((1, 4))

    assert (answer.status_code, answer.get_json()["code"]) == (409, "reservation_mismatch")
    assert stock_of(1) == 7


def test_all_or_nothing_is_held_back(reserve, stock_of, client, orders):
    answer = reserve((1, 10), (2, 11), (3, 1))

    problem = answer.get_json()
    assert (answer.status_code, problem["code"]) == (409, "out_of_stock")
    assert problem["items"] == [
        {"product_id": 2, "requested": 11, "available": 10},
        {"product_id": 3, "requested": 1, "available": 0},
    ]
    assert (stock_of(1), stock_of(2)) == (10, 10)
    assert client.get(f"{PATH}/r1", headers=orders).status_code == 404


def test_repeated_product_adds_up(reserve, stock_of):
    answer = reserve((1, 6), (1, 5))

    assert answer.get_json()["items"] == [{"product_id": 1, "requested": 11, "available": 10}]
    assert stock_of(1) == 10


def test_unknown_product_is_named(reserve, stock_of):
    answer = reserve((1, 1), (999, 1), (998, 1))

    assert (answer.status_code, answer.get_json()["code"]) == (422, "unknown_product")
    assert answer.get_json()["product_ids"] == [998, 999]
    assert stock_of(1) == 10


def test_confirmed_goods_are_gone(reserve, move, stock_of, clock):
    reserve((1, 3))

    answers = [move("confirm") for _ in range(2)]
    clock.advance(LIFE_SECONDS + 1)

    assert [a.get_json() for a in answers] == [{"id": "r1", "status": "confirmed"}] * 2
    assert reserve((1, 3)).get_json()["status"] == "confirmed"
    assert stock_of(1) == 7


def test_released_goods_come_back_once(reserve, move, stock_of):
    reserve((1, 3), (2, 2))

    answers = [move("release") for _ in range(3)]

    assert [a.get_json() for a in answers] == [{"id": "r1", "status": "released"}] * 3
    assert (stock_of(1), stock_of(2)) == (10, 10)


def test_restocked_goods_come_back_once(reserve, move, stock_of):
    reserve((1, 3))
    move("confirm")

    answers = [move("restock") for _ in range(3)]

    assert [a.get_json() for a in answers] == [{"id": "r1", "status": "restocked"}] * 3
    assert stock_of(1) == 10


def test_release_that_overtakes_its_reservation_wins(reserve, move, stock_of):
    released = move("release")

    late = reserve((1, 3))

    assert released.get_json() == {"id": "r1", "status": "released"}
    assert (late.status_code, late.get_json()["code"]) == (409, "reservation_released")
    assert stock_of(1) == 10


def test_goods_of_an_expired_reservation_are_back_for_whoever_looks(reserve, stock_of, clock):
    reserve((1, 3))
    clock.advance(LIFE_SECONDS - 1)
    before = stock_of(1)

    clock.advance(1)

    assert (before, stock_of(1), stock_of(1)) == (7, 10, 10)


def test_goods_of_an_expired_reservation_are_back_for_whoever_reserves(reserve, clock):
    reserve((1, 10))
    clock.advance(LIFE_SECONDS)

    assert reserve((1, 10), name="r2").status_code == 201


@pytest.mark.parametrize("late_seconds", [0, 1, 100])
def test_reservation_can_not_be_confirmed_once_it_is_due(reserve, move, clock, late_seconds):
    reserve((1, 3))
    clock.advance(LIFE_SECONDS + late_seconds)

    answer = move("confirm")

    assert (answer.status_code, answer.get_json()["code"]) == (409, "reservation_expired")


@pytest.mark.parametrize("call", [("PUT", "/stock"), ("PATCH", "")])
def test_what_an_operator_counts_includes_the_goods_of_expired_reservations(
    reserve, stock_of, clock, client, operator, call
):
    method, path = call
    reserve((1, 3))
    clock.advance(LIFE_SECONDS)

    path = f"/api/v1/products/1{path}"
    client.open(path, method=method, json={"stock": 5}, headers=operator)

    assert stock_of(1) == 5


def test_what_live_reservations_hold_comes_on_top_of_what_is_counted(
    reserve, move, stock_of, client, operator
):
    reserve((1, 3))
    client.put("/api/v1/products/1/stock", json={"stock": 5}, headers=operator)
    counted = stock_of(1)

    move("release")

    assert (counted, stock_of(1)) == (5, 8)


def test_count_is_exact_after_a_hundred_expiries(reserve, stock_of, clock, client, operator):
    client.put("/api/v1/products/1/stock", json={"stock": 300}, headers=operator)
    for number in range(100):
        reserve((1, 1), (1, 2), name=f"r{number}")
    clock.advance(LIFE_SECONDS)

    assert stock_of(1) == 300


@pytest.mark.parametrize(
    ("history", "verb", "answered"),
    [
        ((), "confirm", (404, "reservation_not_found")),
        ((), "restock", (404, "reservation_not_found")),
        (("reserve",), "restock", (409, "illegal_reservation_state")),
        (("reserve", "confirm"), "release", (409, "illegal_reservation_state")),
        (("reserve", "release"), "confirm", (409, "reservation_released")),
        (("reserve", "release"), "restock", (409, "reservation_released")),
        (("reserve", "release"), "reserve", (409, "reservation_released")),
        (("reserve", "expire"), "confirm", (409, "reservation_expired")),
        (("reserve", "expire"), "restock", (409, "reservation_expired")),
        (("reserve", "expire"), "reserve", (409, "reservation_expired")),
        (("reserve", "expire"), "release", (200, "expired")),
        (("reserve", "confirm", "restock"), "confirm", (409, "illegal_reservation_state")),
        (("reserve", "confirm", "restock"), "release", (409, "illegal_reservation_state")),
        (("reserve", "confirm", "restock"), "reserve", (409, "illegal_reservation_state")),
        (("release",), "confirm", (409, "reservation_released")),
        (("release",), "release", (200, "released")),
    ],
)
def test_every_other_move_is_answered_and_changes_no_stock(
    reserve, move, stock_of, clock, history, verb, answered
):
    steps = {"reserve": lambda: reserve((1, 3)), "expire": lambda: clock.advance(LIFE_SECONDS)}
    for step in history:
        steps.get(step, lambda step=step: move(step))()
    before = stock_of(1)

    answer = steps.get(verb, lambda: move(verb))()

    body = answer.get_json()
    assert (answer.status_code, body.get("code", body["status"])) == answered
    assert stock_of(1) == before


def test_state_graph_has_the_edges_of_the_contract():
    edges = {(move.source, move.target) for move in MOVES}

    assert edges == {
        (Status.HELD, Status.CONFIRMED),
        (Status.HELD, Status.RELEASED),
        (Status.HELD, Status.EXPIRED),
        (Status.CONFIRMED, Status.RESTOCKED),
    }


def test_reservations_need_the_scope(client, mint, customer, operator, reserve, stock_of):
    other = {"Authorization": f"Bearer {mint.service('search')}"}

    statuses = [reserve((1, 1), headers=headers).status_code for headers in (other, customer, {})]

    paths = [f"{PATH}/r1/{verb}" for verb in ("confirm", "release", "restock")]
    assert statuses == [403, 403, 401]
    assert [client.post(path, headers=operator).status_code for path in paths] == [403] * 3
    assert client.get(f"{PATH}/r1", headers=operator).status_code == 403
    assert stock_of(1) == 10


@pytest.mark.parametrize(
    "item",
    [
        *({"quantity": bad} for bad in (0, -1, 1001, 1.5, 1.0, "1", True, None, 2**31, 2**63 - 1)),
        *({"product_id": bad} for bad in (0, -1, 1.0, "1", True, None, 2**31, [1])),
        {"price": {"amount_minor": 1, "currency": "USD"}},
    ],
)
def test_line_that_makes_no_sense_is_refused(client, orders, stock_of, item):
    body = {"reservation_id": "r1", "items": [{"product_id": 1, "quantity": 1, **item}]}

    answer = client.post(PATH, json=body, headers=orders)

    assert (answer.status_code, list(answer.get_json()["errors"])) == (422, ["items"])
    assert stock_of(1) == 10


@pytest.mark.parametrize("count", [0, 101, 10_000])
def test_number_of_lines_is_limited(reserve, count):
    assert reserve(*[(1, 1)] * count).status_code == 422


@pytest.mark.parametrize("name", ["", "a b", "a/b", "x" * 65, "é", "a\n", "..", 1, None])
def test_reservation_has_a_plain_id(reserve, name):
    answer = reserve((1, 1), name=name)

    assert (answer.status_code, list(answer.get_json()["errors"])) == (422, ["reservation_id"])


@pytest.mark.parametrize("name", ["a%20b", "a%2Fb", "x" * 65, "%C3%A9", "a%0a", "%00", ".."])
def test_path_without_a_plain_id_is_404_and_leaves_no_tombstone(move, name):
    assert move("release", name=name).status_code == 404
