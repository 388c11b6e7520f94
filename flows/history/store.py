"""The history as people and programs read it: brought up to date, asked in SQL, never changed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from flows.history.database import Connection, DatabaseError, open_nothing, quoted
from flows.history.ingest import INGEST_WAIT_SECONDS, VacuumReport, ingest, rebuild, vacuum
from flows.history.ingest_batches import new_batches
from flows.history.ingest_tables import IngestReport, migrate, store_batch
from flows.history.mending import mended
from flows.history.read_only import SETTINGS, answers, keep_settings, writing_kind
from flows.history.records import ROW_KINDS
from flows.history.store_problems import explained
from flows.history.store_values import (
    HistoryTooNewError,
    QueryError,
    StoreError,
    Table,
    UnwritableError,
)
from flows.home import journal_folder, published_path

__all__ = [
    "HistoryTooNewError",
    "IngestReport",
    "QueryError",
    "StoreError",
    "Table",
    "UnwritableError",
    "VacuumReport",
    "connect_published",
    "copy_tables_to_parquet",
    "copy_to_parquet",
    "ingest",
    "query",
    "rebuild",
    "refreshed",
    "vacuum",
]

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedTables:
    """What was written into files."""

    rows: dict[str, int]
    """How many, by table."""
    recorded_until: datetime | None
    """When the newest of all rows was recorded, in UTC."""
    notes: tuple[str, ...] = ()


def connect_published(home: Path) -> Connection:
    """A read-only connection to the published history, in a private instance of DuckDB.

    The private instance sees the file that is published now, also while another thread of the same
    process still reads the one before. A damaged file raises what ``mended`` knows.
    """
    connection = open_nothing()
    try:
        connection.execute(f"ATTACH {quoted(published_path(home))} AS history (READ_ONLY)")
        connection.execute("USE history")
    except DatabaseError as problem:
        connection.close()
        raise explained(published_path(home), problem) from problem
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

    Settings may stand before the query. Statements that write are refused.
    """
    notes = refreshed(home, wait_seconds) if refresh else ()
    table, mending = _ask(home, lambda connection: _answer(connection, sql, params))
    return replace(table, notes=(*notes, *mending))


def copy_to_parquet(
    home: Path,
    sql: str,
    path: Path,
    *,
    refresh: bool = True,
    tell: Callable[[str], object] = lambda note: None,
) -> int:
    """Write the answer to one query into a Parquet file; returns the number of rows.

    ``tell`` takes what a person should know about the freshness of the answer.
    """
    notes = refreshed(home, INGEST_WAIT_SECONDS) if refresh else ()
    rows, mending = _ask(home, lambda connection: _copy(connection, sql, path))
    for note in (*notes, *mending):
        tell(note)
    return rows


def copy_tables_to_parquet(
    home: Path, files: Callable[[], Iterable[tuple[str, Path]]]
) -> CopiedTables:
    """Write tables into Parquet files, all from one moment, whatever is published meanwhile.

    ``files`` names tables and paths; it is asked again when a damaged file was mended on the way.
    """

    def work(connection: Connection) -> CopiedTables:
        every = " UNION ALL ".join(f"SELECT recorded_at FROM {kind.table}" for kind in ROW_KINDS)
        newest = connection.execute(f"SELECT max(recorded_at) FROM ({every})").fetchall()[0][0]
        rows = {
            name: _copy(connection, f"SELECT * FROM {name} ORDER BY ALL", path)
            for name, path in files()
        }
        return CopiedTables(rows=rows, recorded_until=newest)

    copied, notes = _ask(home, work)
    return replace(copied, notes=notes)


def refreshed(home: Path, wait_seconds: float) -> tuple[str, ...]:
    """Bring the history up to date as far as that is possible; returns what a person should know.

    A folder that cannot be written, or another ingest that takes long, leaves the answer stale.
    """
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


def _ask(home: Path, work: Callable[[Connection], Answer]) -> tuple[Answer, tuple[str, ...]]:
    try:
        return mended(home, lambda: _with_connection(home, work))
    except DatabaseError as problem:
        text = str(problem)
        if "configuration has been locked" in text:
            text = (
                f"the history is read-only, and only these settings may stand before a query: "
                f"{', '.join(SETTINGS)} ({text})"
            )
        raise QueryError(text) from problem


def _with_connection(home: Path, work: Callable[[Connection], Answer]) -> Answer:
    published = published_path(home).exists()
    connection = connect_published(home) if published else _history_in_memory(home)
    try:
        keep_settings(connection)
        return work(connection)
    finally:
        connection.close()


def _copy(connection: Connection, sql: str, path: Path) -> int:
    statements = _reading_statements(connection, sql)
    if len(statements) > 1:
        raise QueryError("a Parquet file holds one result: give one SELECT")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE answer AS {statements[0].query}")
    result = connection.execute(f"COPY answer TO {quoted(path)} (FORMAT parquet)")
    return int(result.fetchall()[0][0])


def _answer(connection: Connection, sql: str, params: Sequence[Any] | dict[str, Any]) -> Table:
    statements = _reading_statements(connection, sql)
    if answers(statements) > 1:
        raise QueryError(
            f"these are {answers(statements)} queries, and one answer is given: ask them one at a "
            "time, or join them with UNION ALL"
        )
    for statement in statements[:-1]:
        connection.execute(statement)
    result = connection.execute(statements[-1], params or None)
    described = result.description or []
    return Table(
        columns=tuple(column[0] for column in described),
        types=tuple(str(column[1]) for column in described),
        rows=tuple(result.fetchall()) if described else (),
    )


def _reading_statements(connection: Connection, sql: str) -> list[Any]:
    statements = connection.extract_statements(sql)
    if not statements:
        raise QueryError("the query is empty: give one SQL statement, for example FROM leaderboard")
    refused = writing_kind(connection, statements)
    if refused is not None:
        raise QueryError(
            f"the history is read-only, {refused} is refused: give a SELECT "
            "(to keep a result, use --format csv or parquet, or assay export)"
        )
    return statements


def _history_in_memory(home: Path) -> Connection:
    """The history of a folder in which nothing was ever published and nothing can be."""
    connection = open_nothing()
    connection.execute("ATTACH ':memory:' AS history")
    connection.execute("USE history")
    migrate(connection)
    for batch in new_batches(home, {}):
        store_batch(connection, batch)
    return connection
