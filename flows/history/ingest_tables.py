"""Writes rows, positions and migrations into an open database; knows SQL, not where the file is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from flows.history.ingest_batches import (
    Batch,
    Located,
    SkippedLine,
    new_batches,
    reader_fingerprint,
    shrunken_files,
)
from flows.history.journal_lines import database_text, parse_time
from flows.history.records import ROW_KINDS, RowKind
from flows.history.schema import Migration, migrations

_PROVENANCE = ("recorded_at", "recorded_in")


class SchemaTooNewError(Exception):
    """The database has migrations that this version does not know."""


class SchemaDiffersError(Exception):
    """The database was made with other migrations of the same number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestReport:
    """What one ingest did."""

    lines: int = 0
    """Journal lines read this time."""
    skipped: tuple[SkippedLine, ...] = ()
    """Lines met this time that gave no row."""
    notes: tuple[str, ...] = ()
    """What a person should know, one sentence each."""
    published: bool = False
    busy: bool = False
    """Another process was ingesting all the time; nothing was done here."""
    rebuilt: bool = False
    """The database was made anew from the journals."""


class Connection(Protocol):
    """What is needed of a database connection."""

    def execute(self, query: str, parameters: object = None, /) -> Any:
        """Run one statement and give a cursor on its result."""
        ...

    def appender(self, table: str, /, *, columns: list[str]) -> Any:
        """Give a context manager whose append_row takes values in the order of the columns."""
        ...


def migrate(connection: Connection) -> None:
    """Bring the schema up to this version, one transaction for all of it."""
    steps = migrations()
    connection.execute("BEGIN")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations "
        "(version BIGINT PRIMARY KEY, name VARCHAR, sha256 VARCHAR, applied_at TIMESTAMP)"
    )
    found = connection.execute("SELECT version, sha256 FROM schema_migrations").fetchall()
    for step in _missing(steps, dict(found)):
        connection.execute(step.sql)
        connection.execute(
            "INSERT INTO schema_migrations VALUES (?, ?, ?, now() AT TIME ZONE 'UTC')",
            [step.version, step.name, step.sha256],
        )
    _forget_positions_of_other_readers(connection)
    connection.execute("COMMIT")


def read_journals(home: Path, connection: Connection) -> IngestReport:
    read_bytes = read_positions(connection)
    notes = [
        f"{name} is shorter than it was: rows that it lost stay in the history until a rebuild"
        for name in shrunken_files(home, read_bytes)
    ]
    lines, skipped, unknown = 0, list[SkippedLine](), set[str]()
    for batch in new_batches(home, read_bytes):
        store_batch(connection, batch)
        lines += batch.lines
        skipped += batch.skipped
        unknown |= batch.unknown_fields
    if unknown:
        notes.append(f"fields of a newer assay were left out: {', '.join(sorted(unknown))}")
    if skipped:
        notes.append(
            f"{len(skipped)} journal lines gave no row and stay where they are; first: {skipped[0]}"
        )
    return IngestReport(lines=lines, skipped=tuple(skipped), notes=tuple(notes))


def read_positions(connection: Connection) -> dict[str, int]:
    """How far each journal file has been read."""
    return dict(connection.execute("FROM bookkeeping.journal_files").fetchall())


def store_batch(connection: Connection, batch: Batch) -> None:
    """Put a batch and the positions it was read up to into the database, in one transaction."""
    connection.execute("BEGIN")
    for kind in ROW_KINDS:
        rows = batch.rows.get(kind.table)
        if rows:
            _upsert(connection, kind, rows.values())
    _note_skipped(connection, batch.skipped)
    columns = ("journal_file", "read_bytes")
    positions = list(batch.read_bytes.items())
    _merge(connection, "bookkeeping.journal_files", columns, columns[:1], positions)
    connection.execute("COMMIT")


def _missing(steps: Sequence[Migration], found: dict[int, str]) -> list[Migration]:
    known = {step.version: step for step in steps}
    newer = sorted(found.keys() - known.keys())
    if newer:
        raise SchemaTooNewError(f"it has schema {newer[-1]}, this assay knows {max(known)}")
    for version, sha256 in found.items():
        if known[version].sha256 != sha256:
            raise SchemaDiffersError(f"its schema {known[version].name} differs from this assay's")
    return [step for step in steps if step.version not in found]


def _forget_positions_of_other_readers(connection: Connection) -> None:
    """A version that knows other rows reads all journals again: what was left out gets in."""
    fingerprint = reader_fingerprint()
    found = connection.execute("FROM bookkeeping.reader").fetchall()
    if found == [(fingerprint,)]:
        return
    connection.execute("DELETE FROM bookkeeping.journal_files")
    connection.execute("DELETE FROM bookkeeping.skipped_lines")
    connection.execute("DELETE FROM bookkeeping.reader")
    connection.execute("INSERT INTO bookkeeping.reader VALUES (?)", [fingerprint])


def _upsert(connection: Connection, kind: RowKind, rows: Iterable[Located]) -> None:
    columns = (*kind.columns, *_PROVENANCE)
    types = _column_types(connection, kind.table)
    nested = [place for place, name in enumerate(kind.columns) if types[name] == "JSON"]
    moments = [kind.columns.index(name) for name in kind.moments]
    values = (_values(kind, row, nested, moments) for row in rows)
    stored = ", ".join(f"{kind.table}.{column}" for column in _PROVENANCE)
    offered = ", ".join(f"excluded.{column}" for column in _PROVENANCE)
    condition = f"WHERE ({offered}) >= ({stored})"
    _merge(connection, kind.table, columns, kind.key, values, condition)


def _merge(
    connection: Connection,
    table: str,
    columns: Sequence[str],
    key: Sequence[str],
    values: Iterable[Sequence[Any]],
    condition: str = "",
) -> None:
    """Insert rows; one whose key is there replaces the old one where the condition holds."""
    listed = ", ".join(columns)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE arriving AS SELECT {listed} FROM {table} LIMIT 0"
    )
    with connection.appender("arriving", columns=list(columns)) as appender:
        for row in values:
            appender.append_row(*row)
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in key)
    connection.execute(
        f"INSERT INTO {table} BY NAME SELECT {listed} FROM arriving "
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes} {condition}"
    )
    connection.execute("DROP TABLE arriving")


def _note_skipped(connection: Connection, skipped: Sequence[SkippedLine]) -> None:
    if skipped:
        columns = ("journal_file", "start_byte", "byte_count", "reason")
        values = [[getattr(line, column) for column in columns] for line in skipped]
        _merge(connection, "bookkeeping.skipped_lines", columns, columns[:2], values)


def _column_types(connection: Connection, table: str) -> dict[str, str]:
    found = connection.execute(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ? "
        "AND schema_name = 'main' AND database_name = current_database()",
        [table],
    )
    return dict(found.fetchall())


def _values(
    kind: RowKind, located: Located, nested: Sequence[int], moments: Sequence[int]
) -> list[Any]:
    """A row as the database takes it: JSON as text, moments in UTC without a zone."""
    values = list(kind.values(located.found.row))
    for place in nested:
        if values[place] is not None:
            values[place] = database_text(values[place])
    for place in moments:
        if values[place] is not None:
            values[place] = parse_time(values[place]).replace(tzinfo=None)
    return [*values, located.found.recorded_at.replace(tzinfo=None), located.journal_file]
