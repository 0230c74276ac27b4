"""Find accounts as operators do."""

import json
from urllib.parse import quote

import pytest
from sqlalchemy import insert

from services.accounts import repository
from services.accounts.domain import CRITERIA
from services.accounts.models import Account, Address
from tests.databases import Statements

from .conftest import ADDRESS

MANY = 2000


@pytest.fixture
def people(register, change):
    """Have three people, two of whom share a family name and a city."""
    for name, family, city in (
        ("Alice", "Straße", "Prague"),
        ("Bob", "STRASSE", "prague"),
        ("Carol", "Ödön", "Frankfurt/Oder"),
    ):
        register(name.lower(), username=name, email=f"{name}@Example.com")
        homes = [{**ADDRESS, "city": city}, {**ADDRESS, "city": city}]
        change(name.lower(), family_name=family, addresses=homes)


def ids(answer):
    assert answer.status_code == 200, answer.text
    return [account["id"] for account in answer.get_json()["data"]]


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("criterion", "value", "found"),
    [
        ("id", "alice", ["alice"]),
        ("id", "ALICE", []),
        ("username", "ALICE", ["alice"]),
        ("email", "bob@example.COM", ["bob"]),
        ("family_name", "strasse", ["alice", "bob"]),
        ("family_name", "öDÖN", ["carol"]),
        ("city", "PRAGUE", ["alice", "bob"]),
        ("city", "frankfurt/oder", ["carol"]),
        ("city", "Pra", []),
        ("username", "nobody", []),
    ],
)
def test_criterion_finds_all_accounts_that_meet_it(find, criterion, value, found):
    assert ids(find(criterion, quote(value))) == found


@pytest.mark.usefixtures("people")
def test_found_account_is_the_one_that_its_owner_sees(client, find, alice):
    own = client.get("/api/v1/accounts/me", headers=alice).get_json()

    assert find("username", "alice").get_json() == {"data": [own], "next": None}


def test_row_is_mapped_to_what_can_be_written_as_json(register, change, directory):
    register()
    document = change(addresses=[ADDRESS]).get_json()

    with directory.database.read() as session:
        mapped = repository.find_account(session, "alice")

    assert document == json.loads(json.dumps(document))
    assert "folded_city" not in json.dumps(document)
    assert mapped.addresses[0].folded_city == "prague"


@pytest.mark.parametrize("criterion", ["me", "given_name", "ID", "password", "folded_email", "%00"])
def test_other_criteria_are_refused_and_the_allowed_ones_named(find, criterion):
    problem = find(criterion, "alice").get_json()

    assert (problem["status"], problem["code"]) == (400, "unknown_criterion")
    assert problem["criteria"] == ["id", "username", "email", "family_name", "city"]


@pytest.mark.parametrize("criterion", CRITERIA)
def test_no_value_is_a_failure(find, criterion):
    values = "x" * 300, "%00", "a%00b", "%ff", "%ed%a0%80", "名" * 200, "%25", "'--", "*", " "

    assert [ids(find(criterion, value)) for value in values] == [[]] * len(values)


def test_several_come_in_pages(register, find):
    for number in range(5):
        register(f"user-{number}", username="same")

    pages = [find("username", "same", limit=2).get_json()]
    while pages[-1]["next"]:
        pages.append(find("username", "same", limit=2, cursor=pages[-1]["next"]).get_json())

    found = [[account["id"] for account in page["data"]] for page in pages]
    assert found == [["user-0", "user-1"], ["user-2", "user-3"], ["user-4"]]


@pytest.mark.parametrize("cursor", ["x", "WzFd", "W251bGxd", "WyJhIiwiYiJd", "WyJcdTAwMDAiXQ"])
def test_cursor_of_something_else_is_refused(find, cursor):
    assert find("username", "same", cursor=cursor).status_code == 422


def test_customers_do_not_look_for_others(find, alice):
    assert find("username", "bob", headers=alice).get_json()["code"] == "forbidden"


@pytest.fixture
def crowd(directory):
    """Have so many accounts that nothing but an index is worth it."""
    names = [f"user-{number:05}" for number in range(MANY)]
    moment = {"created_at": directory.clock.now()}
    columns = ("id", "username", "folded_username", "email", "folded_email", "folded_family_name")
    place = {**ADDRESS, "position": 0}
    with directory.database.write() as session:
        session.execute(insert(Account), [dict.fromkeys(columns, n) | moment for n in names])
        session.execute(
            insert(Address), [{**place, "account_id": n, "folded_city": n} for n in names]
        )
    with directory.database.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.commit()


INDEXES = {
    "id": ("sqlite_autoindex_accounts_1", "accounts_pkey"),
    "username": ("ix_accounts_username", "ix_accounts_username"),
    "email": ("ix_accounts_email", "ix_accounts_email"),
    "family_name": ("ix_accounts_family_name", "ix_accounts_family_name"),
    "city": ("ix_addresses_city", "ix_addresses_city"),
}


@pytest.mark.usefixtures("crowd")
@pytest.mark.parametrize("after", [None, "user-00000"])
def test_each_criterion_is_served_by_its_index(directory, databases, after):
    used = {}
    for criterion in CRITERIA:
        with Statements(directory.database.engine) as asked, directory.database.read() as session:
            found = repository.find_accounts(session, criterion, "user-01234", 21, after)
        assert [account.id for account in found] == ["user-01234"]
        used[criterion] = plan_of(directory.database.engine, asked.seen)

    column = ["sqlite", "postgresql"].index(databases.kind)
    assert {name for name in CRITERIA if INDEXES[name][column] not in used[name]} == set()
    assert [plan for plan in used.values() if "Seq Scan" in plan or "SCAN" in plan] == []


def plan_of(engine, seen):
    """Return the database's own plan of the first query, with all ways open to it."""
    query, values = next(each for each in seen if each[0].startswith("SELECT"))
    command = "EXPLAIN" if engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(f"{command} {query}", values)
        return "\n".join(str(row[-1]) for row in rows)
