"""The one door to DuckDB: opens connections the way the history needs them."""

from pathlib import Path

import duckdb

DatabaseError = duckdb.Error
"""What every failure of DuckDB is."""

Connection = duckdb.DuckDBPyConnection

STORAGE_VERSION = "v1.2.0"
"""The oldest DuckDB that opens our files; a newer format would shut out clients people have."""


def open_file(path: Path) -> Connection:
    """A connection to a database of our own, which is made if it is not there."""
    return duckdb.connect(str(path), config={"storage_compatibility_version": STORAGE_VERSION})


def open_nothing() -> Connection:
    """A connection to an empty private instance, to which databases are attached."""
    # Extensions are never fetched from the network behind a person's back, and the name of a
    # table never means a variable of ours.
    connection = duckdb.connect(
        ":memory:",
        config={"autoinstall_known_extensions": False, "python_enable_replacements": False},
    )
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def quoted(path: Path | str) -> str:
    """A path as a text of SQL."""
    return "'" + str(path).replace("'", "''") + "'"


def may_be_damage(problem: duckdb.Error) -> bool:
    """Whether a failure is of a kind that damaged files give; bad queries give others."""
    # What a wrong checksum gives has no class of its own.
    kinds = (
        duckdb.FatalException,
        duckdb.InternalException,
        duckdb.IOException,
        duckdb.SerializationException,
    )
    return type(problem) is duckdb.Error or isinstance(problem, kinds)
