import pytest

from storage.database import Database
from storage.schema import migrate
from tools import migration


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def test_first_revision_makes_the_tables_and_the_next_one_finds_nothing_left(folder):
    first = migration.write_revision("orders", "Make the first tables", folder)

    assert first.name == "0001_make_the_first_tables.py"
    assert '"order_items"' in first.read_text().replace("'", '"')
    with pytest.raises(migration.NothingDiffers, match="orders_0001"):
        migration.write_revision("orders", "Change nothing.", folder)
    assert list(folder.glob("*.py")) == [first]


def test_what_is_written_runs(folder, tmp_path):
    migration.write_revision("payments", "Make the first tables", folder)
    database = Database(f"sqlite:///{tmp_path}/test.sqlite3")

    with database.change_schema() as connection:
        migrate(connection, folder, "payments_0001")
        names = connection.dialect.get_table_names(connection)
        migrate(connection, folder, "base", "downgrade")
    database.close()

    assert "ledger_entries" in names


def test_types_of_our_own_are_written_as_what_they_are_in_the_database(folder):
    written = migration.write_revision("auth", "Make the first tables", folder).read_text()

    assert "sa.DateTime(timezone=True)" in written
    assert "chassis" not in written


def test_nothing_is_written_when_nothing_differs(capsys):
    before = sorted(migration.folder_of("orders").iterdir())

    assert migration.main(["orders", "Count the gifts"]) == 1

    assert "Nothing differs: orders_0" in capsys.readouterr().err
    assert sorted(migration.folder_of("orders").iterdir()) == before


@pytest.mark.parametrize("arguments", [["", ""], ["ordres", "Count the gifts"], ["orders", " "]])
def test_what_is_missing_is_asked_for(arguments, capsys):
    with pytest.raises(SystemExit):
        migration.main(arguments)

    said = capsys.readouterr().err
    assert "one of accounts, auth, notifications, orders, payments, products" in said
