"""Hold lists of orders against the contract."""


def test_orders_are_listed_newest_first_page_by_page(place, client, alice):
    placed = [place().get_json()["id"] for _ in range(5)]

    seen, cursor = [], ""
    while cursor is not None:
        page = client.get(f"/api/v1/orders?limit=2{cursor}", headers=alice).get_json()
        seen += [order["id"] for order in page["data"]]
        cursor = page["next"] and f"&cursor={page['next']}"

    assert seen == placed[::-1]


def test_list_holds_ones_own_orders(place, client, bob):
    place()

    assert client.get("/api/v1/orders", headers=bob).get_json() == {"data": [], "next": None}


def test_made_up_cursors_are_refused(client, alice):
    cursors = ["x", "W10", "WzEsMl0", "é", "WyJhIiwiYiJd", "WzFlMzAsIngiXQ"]

    answers = [client.get(f"/api/v1/orders?cursor={c}", headers=alice) for c in cursors]

    assert {answer.status_code for answer in answers} == {422}


def test_cursor_from_the_end_of_time_finds_nothing_wrong(client, alice):
    from chassis.inbound.pagination import encode_cursor  # noqa: PLC0415

    cursor = encode_cursor([2**62, "x"])

    assert client.get(f"/api/v1/orders?cursor={cursor}", headers=alice).status_code == 200


def test_repeated_parameters_are_refused(client, alice):
    assert client.get("/api/v1/orders?limit=1&limit=2", headers=alice).status_code == 422
