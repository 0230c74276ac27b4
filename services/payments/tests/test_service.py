import pytest
from sqlalchemy import event

from services.payments.domain import EDGES, Status, sources_of

FINAL = {Status.DECLINED, Status.VOIDED, Status.REFUNDED}


@pytest.fixture
def statements(till, stand_in):
    """Collect what is sent to both databases."""
    sent = []

    def collect(_connection, _cursor, statement, *_rest):
        if "pg_advisory" not in statement:
            sent.append(statement.split()[0])

    # The first use makes the tables.
    stand_in.operations("ord_1")
    engines = [till.database.engine, stand_in._database.engine]
    for engine in engines:
        event.listen(engine, "before_cursor_execute", collect)
    yield sent
    for engine in engines:
        event.remove(engine, "before_cursor_execute", collect)


def test_every_state_is_reachable_and_only_final_ones_lead_nowhere():
    reachable = {target for targets in EDGES.values() for target in targets}

    assert reachable == set(Status) - {Status.PENDING}
    assert {state for state, targets in EDGES.items() if not targets} == FINAL


def test_a_payment_is_captured_from_one_state_only():
    assert sources_of(Status.CAPTURED) == [Status.AUTHORISED]


def test_checkout_costs_few_statements(orders, statements):
    orders.captured()

    # Find and insert, record, settle; find, record, settle with two entries in one statement.
    assert statements.count("SELECT") == 4
    assert statements.count("INSERT") == 4
    assert statements.count("UPDATE") == 2


def test_service_is_ready_while_its_database_answers(client):
    assert client.get("/readyz").status_code == 200


def test_service_is_not_ready_without_its_database(client, till, databases, database_url):
    till.database.close()
    databases.destroy(database_url)

    answer = client.get("/readyz")

    assert (answer.status_code, answer.json["failing"]) == (503, ["database"])
