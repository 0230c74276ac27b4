"""Give a shop a past: copies of an order that it really took, in every table that knows of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Integer, MetaData, Table, create_engine, event, insert, select
from sqlalchemy.engine import Engine

BATCH: Final = 2_000
DIGITS: Final = 8

Row = dict[str, Any]
Advance = Callable[[int], object]
"""Hear that so many more orders were copied in one of the databases."""


def databases_in(data_dir: Path) -> list[str]:
    """Return the addresses of the embedded databases of a shop."""
    return [f"sqlite:///{path}" for path in sorted(data_dir.glob("*.sqlite3"))]


def grow(urls: Sequence[str], names: Sequence[str], copies: int, advance: Advance) -> None:
    """Copy what the databases hold of one order, under new names.

    Args:
        urls: the databases to look into.
        names: the texts that identify the order: its id, its payment's id, its idempotency key.
        copies: how many orders the past shall have.
        advance: shows how far it got.
    """
    for url in urls:
        engine = create_engine(url)
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _hurry)
        try:
            _grow_one(engine, names, copies, advance)
        finally:
            engine.dispose()


def _hurry(connection: Any, _record: object) -> None:
    # A past that is lost in a power cut is made again.
    connection.execute("PRAGMA synchronous = OFF")


def _grow_one(engine: Engine, names: Sequence[str], copies: int, advance: Advance) -> None:
    metadata = MetaData()
    metadata.reflect(engine)
    with engine.connect() as connection:
        patterns = [
            (table, _without_number(table, row), _names_in(row, names))
            for table in metadata.sorted_tables
            for row in _rows_about(connection, table, names)
        ]
    for first in range(0, copies, BATCH):
        numbers = range(first, min(first + BATCH, copies))
        with engine.begin() as connection:
            for table, row, unique in patterns:
                copied = [_renamed(row, unique, number) for number in numbers]
                connection.execute(insert(table), copied)
        advance(len(numbers))


def _rows_about(connection: Connection, table: Table, names: Sequence[str]) -> Iterator[Row]:
    for row in connection.execute(select(table)).mappings():
        if any(name in value for value in row.values() if isinstance(value, str) for name in names):
            yield dict(row)


def _without_number(table: Table, row: Row) -> Row:
    """Leave out a key that is a number, because the database gives it anew."""
    key = table.primary_key.columns
    numbered = len(key) == 1 and isinstance(key[0].type, Integer)
    return {name: row[name] for name in row if not (numbered and name == key[0].name)}


def _names_in(row: Row, names: Sequence[str]) -> list[str]:
    """Return what has to be another text in each copy: the names, and the row's own id."""
    own = row.get("id")
    is_new = isinstance(own, str) and not any(name in own for name in names)
    return [*names, str(own)] if is_new else [*names]


def _renamed(row: Mapping[str, Any], names: Sequence[str], number: int) -> Row:
    return {column: _rename(value, names, number) for column, value in row.items()}


def _rename(value: object, names: Sequence[str], number: int) -> object:
    if isinstance(value, str):
        for name in names:
            value = value.replace(name, f"{name[:-DIGITS]}{number:0{DIGITS}}")
    return value
