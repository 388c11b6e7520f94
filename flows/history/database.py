"""The one door to DuckDB: opens connections the way the history needs them."""

from pathlib import Path
from typing import Any

import duckdb

DatabaseError = duckdb.Error
"""What every failure of DuckDB is."""

Connection = duckdb.DuckDBPyConnection

STORAGE_VERSION = "v1.2.0"
"""The oldest DuckDB that opens our files; a newer format would shut out clients people have."""

_READING = frozenset({"SELECT", "EXPLAIN", "PRAGMA", "CALL", "SET", "VARIABLE_SET", "MULTI"})
_ANSWERING = frozenset({"SELECT", "EXPLAIN", "CALL", "MULTI"})


def open_file(path: Path) -> Connection:
    """A connection to a database of our own, which is made if it is not there."""
    return duckdb.connect(str(path), config={"storage_compatibility_version": STORAGE_VERSION})


def open_nothing() -> Connection:
    """A connection to an empty private instance, to which databases are attached."""
    # Extensions are never fetched from the network behind a person's back.
    connection = duckdb.connect(":memory:", config={"autoinstall_known_extensions": False})
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def quoted(path: Path | str) -> str:
    """A path as a text of SQL."""
    return "'" + str(path).replace("'", "''") + "'"


def writing_kind(statements: list[Any]) -> str | None:
    """What the first statement that may change something does, in DuckDB's word."""
    kinds = [statement.type.name for statement in statements]
    return next((kind for kind in kinds if kind not in _READING), None)


def answers(statements: list[Any]) -> int:
    """How many of the statements give rows; settings do not."""
    return sum(statement.type.name in _ANSWERING for statement in statements)
