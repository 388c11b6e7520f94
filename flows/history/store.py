"""The history as people and programs read it: brought up to date, asked in SQL, never changed.

Below: attempts and experiments by what a person calls them.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from threading import Timer
from typing import Any, Protocol, TypeVar

from flows.errors import UserError
from flows.history.database import (
    Connection,
    DatabaseError,
    HistoryTooNewError,
    Interrupted,
    QueryError,
    StoreError,
    UnusableError,
    UnwritableError,
    failure_of_reading,
    interruptible,
    is_select,
    private_instance,
    quoted,
    text_of,
)
from flows.history.ingest import (
    INGEST_WAIT_SECONDS,
    IngestReport,
    VacuumReport,
    ingest,
    make_database,
    rebuild,
    vacuum,
)
from flows.history.records import ROW_KINDS
from flows.home import journal_folder, published_path
from flows.untrusted import counted
from simulator.whole_files import draft_folder

__all__ = [
    "Ask",
    "Bounds",
    "Copied",
    "HistoryTooNewError",
    "IngestReport",
    "QueryError",
    "StoreError",
    "Table",
    "UnwritableError",
    "VacuumReport",
    "answers",
    "copy_tables",
    "copy_to_parquet",
    "ingest",
    "open_history",
    "query",
    "rebuild",
    "refreshed",
    "vacuum",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The result of a query. JSON values are text, as DuckDB gives them."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    notes: tuple[str, ...] = ()
    """What a person should know about the freshness of the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What one question may take, where it is not the person at the machine who asks."""

    seconds: float
    rows: int
    """More are left out of the answer."""
    chars: int = 2_000_000
    """Of all texts together; rows after that are left out as well."""
    memory: str = "256MB"
    spill: str = "1GB"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What was written into Parquet files."""

    rows: dict[Path, int]
    """How many, by file."""
    recorded_until: datetime | None
    """When the newest of all rows of the history was recorded, in UTC."""
    notes: tuple[str, ...] = ()


class Ask(Protocol):
    """Asks the history one statement; raises StoreError where DuckDB refuses it."""

    def __call__(self, sql: str, params: Sequence[Any] | dict[str, Any] = ()) -> Table:
        """Return the answer to ``sql``."""
        ...


def query(
    home: Path,
    sql: str,
    params: Sequence[Any] | dict[str, Any] = (),
    *,
    files: Path | None = None,
    refresh: bool = True,
    wait_seconds: float = INGEST_WAIT_SECONDS,
    bounds: Bounds | None = None,
) -> Table:
    """The answer to one statement over the whole history, which is brought up to date first.

    DuckDB itself keeps it to reading: the history is attached read-only, and no file can be reached
    but, for reading, those in the folder ``files``.
    """
    return answers(
        home,
        lambda ask: ask(sql, params),
        files=files,
        refresh=refresh,
        wait_seconds=wait_seconds,
        bounds=bounds,
    )


def answers(
    home: Path,
    questions: Callable[[Ask], T],
    *,
    files: Path | None = None,
    refresh: bool = True,
    wait_seconds: float = INGEST_WAIT_SECONDS,
    bounds: Bounds | None = None,
) -> T:
    """What ``questions`` returns, which asks any number of statements as ``query`` does.

    The history is brought up to date and opened once, so all answers are of one moment. If the
    database turns out to be damaged it is rebuilt, and ``questions`` begins again.
    """
    notes = refreshed(home, wait_seconds) if refresh else ()
    try:
        return _answers(home, questions, files, notes, bounds)
    except UnusableError as damage:
        notes += repaired(home, damage)
        return _answers(home, questions, files, notes, bounds)


def copy_to_parquet(home: Path, sql: str, path: Path, files: Path | None = None) -> Copied:
    """Write the answer to one query, over a history that is up to date, into a Parquet file."""
    notes = refreshed(home, INGEST_WAIT_SECONDS)
    draft = path.with_name(f".{path.name}.new")
    try:
        copied = copy_tables(home, {sql: draft}, files)
        draft.replace(path)
    except OSError as problem:
        raise StoreError(f"{path} cannot be written: {problem.strerror}") from problem
    finally:
        draft.unlink(missing_ok=True)
    return replace(copied, rows={path: copied.rows[draft]}, notes=(*notes, *copied.notes))


def copy_tables(
    home: Path,
    paths: Mapping[str, Path],
    files: Path | None = None,
    told: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Copied:
    """Write the answer to each query into a Parquet file, all from one moment.

    ``told`` is called with the name of each file, how many are done, and how many there are.
    """
    try:
        return _copy(home, paths, files, told)
    except UnusableError as damage:
        notes = repaired(home, damage)
        return replace(_copy(home, paths, files, told), notes=notes)


@contextmanager
def open_history(
    home: Path,
    *,
    beside: Path | None = None,
    files: Path | None = None,
    writes: Iterable[Path] = (),
    bounds: Bounds | None = None,
) -> Iterator[Connection]:
    """A connection that reads the published history; what fails there is raised in words.

    The instance of DuckDB is private: it sees the file that is published now, also while another
    thread still reads the one before. ``beside`` is attached as ``fresh``, the folder ``files`` can
    be read, the files ``writes`` can be written, and nothing else.
    """
    path = published_path(home)
    try:
        with (
            draft_folder() as spill,
            private_instance() as connection,
            interruptible(connection),
        ):
            if not path.exists():
                path = spill / path.name
                make_database(home, path)
            connection.execute(f"ATTACH {quoted(path)} AS history (READ_ONLY)")
            if beside is not None:
                connection.execute(f"ATTACH {quoted(beside)} AS fresh (READ_ONLY)")
            connection.execute("USE history")
            connection.execute(f"SET temp_directory = {quoted(spill)}")
            if bounds is not None:
                connection.execute(f"SET memory_limit = {quoted(bounds.memory)}")
                connection.execute(f"SET max_temp_directory_size = {quoted(bounds.spill)}")
            connection.execute(f"SET allowed_paths = [{', '.join(map(quoted, writes))}]")
            if files is not None:
                connection.execute(f"SET allowed_directories = [{quoted(files.absolute())}]")
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            yield connection
    except DatabaseError as problem:
        raise failure_of_reading(path, problem) from problem


def refreshed(home: Path, wait_seconds: float) -> tuple[str, ...]:
    """Bring the history up to date as far as that is possible; returns what a person should know.

    A folder that cannot be written, or another ingest that takes long, leaves the answer stale.
    """
    if home.exists() and not home.is_dir():
        raise StoreError(f"{home} is not a folder: set ASSAY_HOME to one")
    if not journal_folder(home).is_dir():
        return ()
    stale = "the answer may lack the newest rows: "
    try:
        report = ingest(home, wait_seconds)
    except UnwritableError as problem:
        return (f"{stale}{problem}",)
    if report.busy:
        return (f"{stale}another ingest took more than {wait_seconds:g} s",)
    return report.notes


def repaired(home: Path, damage: UnusableError) -> tuple[str, ...]:
    """Rebuild a database that turned out to be damaged; returns what a person should know."""
    try:
        return rebuild(home, damage).notes
    except UnwritableError as obstacle:
        raise StoreError(
            f"{damage.found}; it cannot be rebuilt ({obstacle}): make the folder writable, then "
            "type assay db rebuild"
        ) from damage


def _answers(
    home: Path,
    questions: Callable[[Ask], T],
    files: Path | None,
    notes: tuple[str, ...],
    bounds: Bounds | None,
) -> T:
    with open_history(home, files=files, bounds=bounds) as connection, _in_time(connection, bounds):

        def ask(sql: str, params: Sequence[Any] | dict[str, Any] = ()) -> Table:
            statement = _one_statement(connection, sql)
            asked = statement if files is None else _reading(connection, statement)
            return _table(connection.execute(asked, params or None), notes, bounds)

        return questions(ask)


def _table(result: Connection, notes: tuple[str, ...], bounds: Bounds | None) -> Table:
    described = result.description or []
    rows: list[tuple[Any, ...]] = []
    if described and bounds is None:
        rows = result.fetchall()
    elif described and bounds is not None:
        rows, more = _within(bounds, iter(result.fetchone, None))
        if more:
            notes = (*notes, f"the answer is cut after {counted(len(rows), 'row')}: ask for less")
    return Table(
        columns=tuple(column[0] for column in described),
        types=tuple(str(column[1]) for column in described),
        rows=tuple(rows),
        notes=notes,
    )


def _within(bounds: Bounds, rows: Iterable[tuple[Any, ...]]) -> tuple[list[tuple[Any, ...]], bool]:
    """Return the rows that an answer may have, and whether there are more."""
    kept: list[tuple[Any, ...]] = []
    chars = 0
    for row in rows:
        chars += sum(len(value) for value in row if isinstance(value, str | bytes | list | dict))
        if len(kept) == bounds.rows or chars > bounds.chars:
            return kept, True
        kept.append(row)
    return kept, False


@contextmanager
def _in_time(connection: Connection, bounds: Bounds | None) -> Iterator[None]:
    """Interrupt what takes longer than its bounds allow."""
    if bounds is None:
        yield
        return
    timer = Timer(bounds.seconds, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Interrupted:
        raise QueryError(
            f"the query took more than {bounds.seconds:g} s: ask for less, or aggregate first"
        ) from None
    finally:
        timer.cancel()


def _copy(
    home: Path,
    paths: Mapping[str, Path],
    files: Path | None,
    told: Callable[[str, int, int], None],
) -> Copied:
    every = " UNION ALL ".join(f"SELECT recorded_at FROM {kind.table}" for kind in ROW_KINDS)
    rows = {}
    writes = {sql: paths[sql].absolute() for sql in paths}
    with open_history(home, files=files, writes=writes.values()) as connection:
        newest = connection.execute(f"SELECT max(recorded_at) FROM ({every})").fetchall()[0][0]
        for number, (sql, path) in enumerate(paths.items()):
            told(f"writing {path.name}", number, len(paths))
            asked = _reading(connection, _one_statement(connection, sql))
            target = f"{quoted(writes[sql])} (FORMAT parquet, USE_TMP_FILE false)"
            rows[path] = int(connection.execute(f"COPY ({asked}) TO {target}").fetchall()[0][0])
    return Copied(rows=rows, recorded_until=newest)


def _one_statement(connection: Connection, sql: str) -> Any:
    statements = connection.extract_statements(sql)
    if not statements:
        raise QueryError("the query is empty: give one SQL statement, for example FROM leaderboard")
    if len(statements) > 1:
        raise QueryError(
            f"expected one statement, got {len(statements)}: run them one at a "
            "time, or join them with UNION ALL"
        )
    return statements[0]


def _reading(connection: Connection, statement: Any) -> str:
    """Return the statement as a subquery, which cannot write files.

    A WITH may contain a COPY, but DuckDB refuses that in a subquery. A PIVOT expands to several
    statements, so it cannot be a subquery.
    """
    if not is_select(statement):
        raise QueryError(
            "with --files, and into a Parquet file, only SELECT is allowed: write a PIVOT as "
            "SELECT ... FILTER (WHERE ...)"
        )
    asked = f"FROM (\n{text_of(statement)}\n)"
    _one_statement(connection, asked)
    return asked


SHA256_PREFIX = re.compile(r"[0-9a-f]{4,64}")
PLACE = re.compile(r"(\d{1,9})/(\d{1,9})")

_EXPERIMENT = """
SELECT experiment_id FROM experiments WHERE experiment_id = ? OR name = ?
ORDER BY experiment_id = ? DESC, created_at DESC, experiment_id LIMIT 1
"""
_NEWEST = "SELECT experiment_id FROM experiments ORDER BY created_at DESC, experiment_id LIMIT 1"
_ATTEMPTS = "SELECT experiment_id, iteration, slot, candidate, title, source FROM candidates "
_BEST = (
    _ATTEMPTS + "WHERE experiment_id = ? AND improved ORDER BY iteration DESC, slot DESC LIMIT 1"
)
_AT_PLACE = _ATTEMPTS + "WHERE experiment_id = ? AND iteration = ? AND slot = ?"
_BY_NAME = (
    _ATTEMPTS + "WHERE name = ? AND (? IS NULL OR experiment_id = ?) "
    "ORDER BY max(created_at) OVER (PARTITION BY experiment_id) DESC, experiment_id, iteration, "
    "slot LIMIT 1"
)
_BY_SHA256 = (
    _ATTEMPTS
    + """
WHERE starts_with(candidate, ?) AND (? IS NULL OR experiment_id = ?)
ORDER BY created_at DESC, experiment_id, iteration, slot
"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An attempt of an experiment; ``source`` is None when its reply held none."""

    experiment_id: str
    iteration: int
    slot: int
    candidate: str | None
    title: str
    source: str | None


def find_experiment(ask: Ask, name: str | None) -> str | None:
    """Return the id of the experiment of this id or name, the newest one if none is named."""
    rows = (ask(_EXPERIMENT, [name] * 3) if name else ask(_NEWEST)).rows
    return str(rows[0][0]) if rows else None


def find_best(ask: Ask, experiment_id: str) -> Found | None:
    """Return the attempt that an experiment promoted last."""
    return _first(ask(_BEST, [experiment_id]).rows)


def find_at(ask: Ask, experiment_id: str, iteration: int, slot: int) -> Found | None:
    """Return the attempt at a place of an experiment."""
    return _first(ask(_AT_PLACE, [experiment_id, iteration, slot]).rows)


def find_named(ask: Ask, name: str, experiment_id: str | None = None) -> Found | None:
    """Return the first attempt whose candidate is called so, in the newest experiment with one."""
    return _first(ask(_BY_NAME, [name, experiment_id, experiment_id]).rows)


def find_candidate(ask: Ask, prefix: str, experiment_id: str | None = None) -> Found | None:
    """Return the newest attempt whose candidate begins so; refuse one that fits several."""
    if SHA256_PREFIX.fullmatch(prefix) is None:
        return None
    rows = ask(_BY_SHA256, [prefix, experiment_id, experiment_id]).rows
    several = sorted({row[3] for row in rows})
    if len(several) > 1:
        known = ", ".join(each[:12] for each in several[:5])
        raise UserError(
            f"{prefix} begins {len(several)} candidates ({known}{', ...' * (len(several) > 5)}), "
            "expected one: give more characters"
        )
    return _first(rows)


def _first(rows: Sequence[tuple[Any, ...]]) -> Found | None:
    if not rows:
        return None
    experiment_id, iteration, slot, candidate, title, source = rows[0]
    return Found(
        experiment_id=str(experiment_id),
        iteration=int(iteration),
        slot=int(slot),
        candidate=candidate,
        title=str(title or ""),
        source=source,
    )
