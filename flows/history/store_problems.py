"""What a failure of the database means: a lock, a newer file, a full disk, or damage."""

from pathlib import Path

from flows.history.database import DatabaseError, open_nothing, quoted
from flows.history.store_values import HistoryTooNewError, StoreError, UnwritableError

# Words of DuckDB for what a person has to mend outside of it.
_UNWRITABLE = ("Could not write", "No space left", "Disk quota", "Permission denied", "Read-only")


_TABLES = "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'looked_at'"


class DamagedError(Exception):
    """The build database cannot be used; the journals can make a new one."""


def explained(path: Path, problem: Exception) -> Exception:
    """The error to raise for DuckDB's failure on a database that is written."""
    text, first = str(problem), first_line(problem)
    if "lock on file" in text:
        return StoreError(
            f"{path} is open in another program: close it; to look at the history open "
            f"{path.parent / 'history.duckdb'} read-only ({first})"
        )
    if "version number" in text or "newer version" in text:
        return HistoryTooNewError(
            f"{path} was written by a newer DuckDB: upgrade assay, or move the file away so that "
            f"it is made anew from the journals ({first})"
        )
    if any(words in text for words in _UNWRITABLE):
        return UnwritableError(f"{path} cannot be written: {first}; make room, or make it writable")
    return DamagedError(text)


def first_damage(path: Path) -> str | None:
    """Read every row of a database; returns what is damaged, None when all of it can be read."""
    connection = open_nothing()
    try:
        connection.execute(f"ATTACH {quoted(path)} AS looked_at (READ_ONLY)")
        for schema, table in connection.execute(_TABLES).fetchall():
            connection.execute(f"SELECT bit_xor(hash(t)) FROM looked_at.{schema}.{table} t")
    except DatabaseError as problem:
        found = explained(path, problem)
        if isinstance(found, DamagedError):
            return first_line(problem)
        raise found from problem
    finally:
        connection.close()
    return None


def first_line(problem: Exception) -> str:
    """What a failure says first; DuckDB adds where it happened, line by line."""
    return next(iter(str(problem).splitlines()), type(problem).__name__)


def unreadable(path: Path, problem: Exception) -> StoreError:
    """The error to raise for DuckDB's failure on a database that is only read."""
    found = explained(path, problem)
    if isinstance(found, StoreError):
        return found
    return StoreError(
        f"{path} cannot be read: {first_line(problem)}; type assay db rebuild, which "
        "makes it anew from the journals"
    )


def unwritable(home: Path, problem: OSError) -> UnwritableError:
    """The error to raise when a file of the home folder cannot be written."""
    return UnwritableError(
        f"{problem.filename or home} cannot be written: {problem.strerror}; make it writable, "
        "or set ASSAY_HOME to another folder"
    )
