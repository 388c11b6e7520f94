"""The database of the history: fed from the journals, published as a file that people read."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb

from flows.home import build_path, journal_folder, lock_path, published_path
from flows.ingest_batches import new_batches
from flows.ingest_lock import hold
from flows.ingest_tables import (
    IngestReport,
    SchemaDiffersError,
    SchemaTooNewError,
    migrate,
    read_journals,
    store_batch,
)
from flows.publishing import publish
from flows.store_values import (
    HistoryTooNewError,
    QueryError,
    StoreError,
    Table,
    UnwritableError,
)

__all__ = [
    "HistoryTooNewError",
    "IngestReport",
    "QueryError",
    "StoreError",
    "Table",
    "UnwritableError",
    "connect_published",
    "copy_to_parquet",
    "ingest",
    "query",
    "rebuild",
]

INGEST_WAIT_SECONDS = 60.0
# Words of DuckDB for what a person has to mend outside of it.
_UNWRITABLE = ("Could not write", "No space left", "Disk quota", "Permission denied", "Read-only")
_READING = frozenset({"SELECT", "EXPLAIN", "PRAGMA", "CALL", "SET", "VARIABLE_SET", "MULTI"})


class _DamagedError(Exception):
    """The build database cannot be used; the journals can make a new one."""


def ingest(home: Path, wait_seconds: float = INGEST_WAIT_SECONDS) -> IngestReport:
    """Bring the database up to date with the journals and publish it; 0 does not wait for others.

    Idempotent: rows go in by key, together with the positions read, in one transaction. Killed at
    any moment, it leaves what the next one continues from.
    """
    return _under_lock(home, wait_seconds, _ingest_or_rebuild)


def rebuild(home: Path) -> IngestReport:
    """Make the database anew from the journals alone; the old one is kept aside."""
    return _under_lock(home, INGEST_WAIT_SECONDS, lambda home: _rebuild(home, "asked for"))


def connect_published(home: Path) -> duckdb.DuckDBPyConnection:
    """A read-only connection to the published history, in a private instance of DuckDB.

    The private instance sees the file that is published now, also while another thread of the same
    process still reads the one before.
    """
    connection = _private_connection()
    try:
        path = str(published_path(home)).replace("'", "''")
        connection.execute(f"ATTACH '{path}' AS history (READ_ONLY)")
        connection.execute("USE history")
    except duckdb.Error as problem:
        connection.close()
        raise _unreadable(published_path(home), problem) from problem
    return connection


def query(
    home: Path,
    sql: str,
    params: Sequence[Any] | dict[str, Any] = (),
    *,
    refresh: bool = True,
    wait_seconds: float = INGEST_WAIT_SECONDS,
) -> Table:
    """The answer to a query over the whole history, which is brought up to date first.

    Of several statements the last one gives the answer. Statements that write are refused.
    """
    notes = _refreshed(home, wait_seconds) if refresh else ()
    connection = _connect(home)
    try:
        return replace(_answer(connection, sql, params), notes=notes)
    except duckdb.Error as problem:
        raise QueryError(str(problem)) from problem
    finally:
        connection.close()


def copy_to_parquet(home: Path, sql: str, path: Path, *, refresh: bool = True) -> int:
    """Write the answer to one query into a Parquet file; returns the number of rows."""
    if refresh:
        _refreshed(home, INGEST_WAIT_SECONDS)
    connection = _connect(home)
    try:
        statements = _reading_statements(connection, sql)
        if len(statements) > 1:
            raise QueryError("a Parquet file holds one result: give one SELECT")
        connection.execute(f"CREATE TEMP TABLE answer AS {statements[0].query}")
        target = str(path).replace("'", "''")
        result = connection.execute(f"COPY answer TO '{target}' (FORMAT parquet)")
        return int(result.fetchall()[0][0])
    except duckdb.Error as problem:
        raise QueryError(str(problem)) from problem
    finally:
        connection.close()


def _connect(home: Path) -> duckdb.DuckDBPyConnection:
    return connect_published(home) if published_path(home).exists() else _history_in_memory(home)


def _under_lock(
    home: Path, wait_seconds: float, work: Callable[[Path], IngestReport]
) -> IngestReport:
    try:
        home.mkdir(parents=True, exist_ok=True)
        with hold(lock_path(home), wait_seconds) as held:
            if not held:
                return IngestReport(busy=True)
            report = work(home)
            return replace(report, published=publish(home))
    except OSError as problem:
        raise UnwritableError(
            f"{problem.filename or home} cannot be written: {problem.strerror}; make it writable, "
            "or set ASSAY_HOME to another folder"
        ) from problem


def _refreshed(home: Path, wait_seconds: float) -> tuple[str, ...]:
    if home.exists() and not home.is_dir():
        raise StoreError(f"{home} is not a folder: set ASSAY_HOME to one")
    if not journal_folder(home).is_dir():
        return ()
    try:
        report = ingest(home, wait_seconds)
    except UnwritableError as problem:
        return (_stale(str(problem)),)
    if report.busy:
        return (_stale(f"another ingest took more than {wait_seconds:g} s"),)
    return report.notes


def _stale(reason: str) -> str:
    return f"the answer may lack the newest rows: {reason}"


def _answer(
    connection: duckdb.DuckDBPyConnection, sql: str, params: Sequence[Any] | dict[str, Any]
) -> Table:
    statements = _reading_statements(connection, sql)
    for statement in statements[:-1]:
        connection.execute(statement)
    result = connection.execute(statements[-1], params or None)
    described = result.description or []
    return Table(
        columns=tuple(column[0] for column in described),
        types=tuple(str(column[1]) for column in described),
        rows=tuple(result.fetchall()) if described else (),
    )


def _reading_statements(connection: duckdb.DuckDBPyConnection, sql: str) -> list[duckdb.Statement]:
    statements = connection.extract_statements(sql)
    if not statements:
        raise QueryError("the query is empty: give one SQL statement, for example FROM leaderboard")
    for statement in statements:
        if statement.type.name not in _READING:
            raise QueryError(
                f"the history is read-only, {statement.type.name} is refused: give a SELECT "
                "(to keep a result, use --format csv or parquet, or assay export)"
            )
    return statements


def _history_in_memory(home: Path) -> duckdb.DuckDBPyConnection:
    """The history of a folder in which nothing was ever published and nothing can be."""
    connection = _private_connection()
    connection.execute("ATTACH ':memory:' AS history")
    connection.execute("USE history")
    migrate(connection)
    for batch in new_batches(home, {}):
        store_batch(connection, batch)
    return connection


def _private_connection() -> duckdb.DuckDBPyConnection:
    # Extensions are never fetched from the network behind a person's back.
    connection = duckdb.connect(":memory:", config={"autoinstall_known_extensions": False})
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def _ingest_or_rebuild(home: Path) -> IngestReport:
    try:
        return _ingest_into_build(home)
    except _DamagedError as damage:
        return _rebuild(home, str(damage))


def _ingest_into_build(home: Path) -> IngestReport:
    connection = _open_build(build_path(home))
    try:
        report = read_journals(home, connection)
        if report.lines:
            connection.execute("CHECKPOINT")
        return report
    except duckdb.Error as problem:
        raise _explained(build_path(home), problem) from problem
    finally:
        connection.close()


def _open_build(path: Path) -> duckdb.DuckDBPyConnection:
    try:
        connection = duckdb.connect(str(path))
    except duckdb.Error as problem:
        raise _explained(path, problem) from problem
    try:
        migrate(connection)
    except SchemaTooNewError as problem:
        connection.close()
        raise HistoryTooNewError(
            f"{path} was written by a newer assay: {problem}; upgrade assay, or set ASSAY_HOME to "
            "another folder"
        ) from problem
    except SchemaDiffersError as problem:
        connection.close()
        raise _DamagedError(str(problem)) from problem
    except duckdb.Error as problem:
        connection.close()
        raise _explained(path, problem) from problem
    return connection


def _explained(path: Path, problem: duckdb.Error) -> Exception:
    """What DuckDB's failure means: somebody else's lock, a newer file, a full disk, or damage."""
    text = str(problem)
    if "lock on file" in text:
        return StoreError(
            f"{path} is open in another program: close it; to look at the history open "
            f"{path.parent / 'history.duckdb'} read-only ({text.splitlines()[0]})"
        )
    if "version number" in text or "newer version" in text:
        return HistoryTooNewError(
            f"{path} was written by a newer DuckDB: upgrade assay, or move the file away so that "
            f"it is made anew from the journals ({text.splitlines()[0]})"
        )
    if any(words in text for words in _UNWRITABLE):
        return UnwritableError(
            f"{path} cannot be written: {text.splitlines()[0]}; make room, or make it writable"
        )
    return _DamagedError(text)


def _unreadable(path: Path, problem: duckdb.Error) -> StoreError:
    explained = _explained(path, problem)
    if isinstance(explained, StoreError):
        return explained
    return StoreError(
        f"{path} cannot be read: {str(problem).splitlines()[0]}; delete it, the next command makes "
        "it anew from the journals"
    )


def _rebuild(home: Path, reason: str) -> IngestReport:
    """Put the old database aside and read all journals from the start."""
    build = build_path(home)
    for path in (build, build.with_name(build.name + ".wal")):
        if path.exists():
            path.replace(path.with_name(f"old-{path.name}"))
    note = f"the database was made anew from the journals ({reason.splitlines()[0]})"
    try:
        report = _ingest_into_build(home)
    except _DamagedError as damage:
        raise StoreError(
            f"{build} cannot be made from the journals: {damage}; see whether the disk is full"
        ) from damage
    return replace(report, rebuilt=True, notes=(note, *report.notes))
