"""Compares what people read with what the journals say, row by row; changes nothing but the age."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flows.history.database import Connection, QueryError, StoreError, UnusableError
from flows.history.ingest import INGEST_WAIT_SECONDS, make_database, read_positions
from flows.history.journal import journal_files
from flows.history.records import ROW_KINDS
from flows.history.redact import REDACTED
from flows.history.store import open_history, refreshed, repaired
from flows.home import published_path
from simulator.whole_files import draft_folder

MOST_NAMED = 10
"""How many problems of one kind are named; the others are counted."""

_SOURCES = """
SELECT experiment_id || ' ' || iteration || '/' || slot AS place, contains(source, ?) AS redacted
FROM history.candidates WHERE sha256(source) <> candidate ORDER BY ALL
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableCheck:
    """One table beside its rows in the journals."""

    table: str
    rows: int
    """In the database."""
    missing: int
    """Rows that the journals hold and the database lacks or holds otherwise."""
    extra: int
    """Rows of the database that no journal holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What a check found; it is well when there are no problems."""

    journals: int
    lines: int
    """Whole lines of all journals."""
    superseded: int
    """Lines that a later one of the same key replaced."""
    tables: tuple[TableCheck, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.problems

    def to_mapping(self) -> dict[str, Any]:
        """The report as JSON-like values."""
        return {"ok": self.ok, **asdict(self)}


def check(home: Path) -> CheckReport:
    """Bring the database up to date, then compare every row with a second reading of the journals.

    The journals are read a second time, into a temporary database.
    """
    notes = refreshed(home, INGEST_WAIT_SECONDS)
    if not published_path(home).exists():
        nothing = f"there is no history in {home} yet: start a search with assay run"
        raise StoreError("; ".join(notes) or nothing)
    try:
        return _checked(home, notes)
    except UnusableError as damage:
        return _checked(home, (*repaired(home, damage), *notes))
    except QueryError as problem:
        raise StoreError(
            f"{published_path(home)} cannot be compared with the journals: {problem}; type assay "
            "db rebuild, which rebuilds it from the journals"
        ) from problem


def _checked(home: Path, known: tuple[str, ...]) -> CheckReport:
    notes = list(known)
    with draft_folder() as folder:
        fresh = folder / "fresh.duckdb"
        lines = make_database(home, fresh).lines
        with open_history(home, beside=fresh) as connection:
            tables = tuple(_compare(connection, kind.table) for kind in ROW_KINDS)
            kept = sum(_count(connection, f"fresh.{kind.table}") for kind in ROW_KINDS)
            skipped = _count(connection, "fresh.bookkeeping.skipped_lines")
            problems = [*_unread(connection), *_differences(tables), *_sources(connection, notes)]
            notes += _torn(home, connection)
    return CheckReport(
        journals=len(journal_files(home)),
        lines=lines,
        superseded=lines - kept - skipped,
        tables=tables,
        problems=tuple(problems),
        notes=tuple(notes),
    )


def _compare(connection: Connection, table: str) -> TableCheck:
    columns = [row[0] for row in connection.execute(f"DESCRIBE fresh.{table}").fetchall()]
    listed = ", ".join(columns)
    journal, database = (f"SELECT {listed} FROM {name}.{table}" for name in ("fresh", "history"))
    return TableCheck(
        table=table,
        rows=_count(connection, f"history.{table}"),
        missing=_count(connection, f"({journal} EXCEPT {database})"),
        extra=_count(connection, f"({database} EXCEPT {journal})"),
    )


def _count(connection: Connection, relation: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {relation}").fetchall()[0][0])


def _unread(connection: Connection) -> Iterator[str]:
    found = connection.execute(
        "SELECT journal_file, start_byte, reason FROM fresh.bookkeeping.skipped_lines ORDER BY ALL"
    ).fetchall()
    yield from _some([f"{name}, byte {start}: {reason}" for name, start, reason in found])


def _differences(tables: tuple[TableCheck, ...]) -> Iterator[str]:
    for each in tables:
        if each.missing:
            yield (
                f"{each.table}: {each.missing} rows of the journals are not in the database, or "
                "differ there: assay db rebuild makes it again"
            )
        if each.extra > each.missing:
            yield (
                f"{each.table}: {each.extra - each.missing} rows are in no journal any more: a "
                "rebuild would lose them; put the journals back from a copy"
            )


def _sources(connection: Connection, notes: list[str]) -> Iterator[str]:
    found = connection.execute(_SOURCES, [REDACTED]).fetchall()
    redacted = sum(1 for _, hidden in found if hidden)
    if redacted:
        notes.append(
            f"{redacted} sources had a secret redacted: they no longer have the sha256 that "
            "names them"
        )
    wrong = [place for place, hidden in found if not hidden]
    yield from _some([f"candidate {place}: its source has another sha256" for place in wrong])


def _torn(home: Path, connection: Connection) -> Iterator[str]:
    connection.execute("USE fresh")
    read = read_positions(connection)
    for path in journal_files(home):
        torn = path.stat().st_size - read.get(path.name, 0)
        if torn > 0:
            yield (
                f"{path.name} ends within a line ({torn} bytes): its writer was killed there or "
                "still writes; nothing that was acknowledged is lost"
            )


def _some(texts: list[str]) -> Iterator[str]:
    yield from texts[:MOST_NAMED]
    if len(texts) > MOST_NAMED:
        yield f"and {len(texts) - MOST_NAMED} more like the last"
