"""Brings the database up to date with the journals, under a lock, and publishes it.

``build.duckdb`` is what an ingest writes; ``history.duckdb`` is a copy of it that is replaced
whole, so that readers never meet a writer. Both can be rebuilt from the journals, which is what
happens when one is damaged or was made by another version of assay.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from flows.history.database import (
    STORAGE_VERSION,
    Connection,
    DatabaseError,
    HistoryTooNewError,
    NoSuchTable,
    StoreError,
    UnusableError,
    UnwritableError,
    damage_in,
    failure_of_writing,
    interruptible,
    open_database,
    private_instance,
    quoted,
)
from flows.history.domain_views import evaluations_view
from flows.history.journal import (
    JOURNAL_VERSION,
    JournalLine,
    Recorded,
    Unreadable,
    complete_lines,
    database_text,
    journal_files,
    parse_time,
)
from flows.history.records import ROW_KINDS, CandidateRow, Row, RowKind
from flows.home import build_path, hold, lock_path, published_path
from flows.names import name_of
from simulator.domain import shipped_domains
from simulator.domain_spec import spec_from
from simulator.errors import InputError
from simulator.whole_files import uninterrupted

SCHEMA_VERSION = 14
"""Goes up with every change of ``schema.sql``; a database with a higher one is refused.

The views of domains follow the domains, without a new number.
"""
INGEST_WAIT_SECONDS = 60.0
BATCH_BYTES = 32 * 1024 * 1024
BATCH_LINES = 20_000
ABANDONED_SECONDS = 3600.0
"""A file on its way to its name for so long belongs to a process that died."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedLine:
    """A complete line that gave no row; it stays in its journal."""

    journal_file: str
    start_byte: int
    byte_count: int
    reason: str

    def __str__(self) -> str:
        return f"{self.journal_file}, byte {self.start_byte}: {self.reason}"


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
    """The database was rebuilt from the journals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VacuumReport:
    """What a vacuum did."""

    bytes_before: int
    """Of everything in the home folder that is not a journal and can be made from them."""
    bytes_after: int
    removed: tuple[str, ...]
    """Left-over files that are gone, relative to the home folder."""
    notes: tuple[str, ...] = ()


def ingest(home: Path, wait_seconds: float = INGEST_WAIT_SECONDS) -> IngestReport:
    """Bring the database up to date with the journals and publish it; 0 does not wait for others.

    Idempotent: rows go in by key, together with the positions read, in one transaction. Killed at
    any moment, it leaves what the next one continues from.
    """
    with _sole_writer(home, wait_seconds) as held:
        return _published(home, _updated(home)) if held else IngestReport(busy=True)


def rebuild(home: Path, damage: UnusableError | None = None) -> IngestReport:
    """Make the database again from the journals alone; the old one is kept aside."""
    with _sole_writer(home, INGEST_WAIT_SECONDS) as held:
        _require(held, home)
        if damage is not None and not any(map(damage_in, (build_path(home), published_path(home)))):
            return IngestReport()  # another process was quicker
        return _published(home, _rebuilt(home, damage))


def vacuum(home: Path) -> VacuumReport:
    """Write the database again without the gaps of old changes, and remove left-over files."""
    with _sole_writer(home, INGEST_WAIT_SECONDS) as held:
        _require(held, home)
        before = _made_bytes(home)
        removed = _leftovers(home)  # first, so that what a rebuild below puts aside is kept
        for path in removed:
            path.unlink(missing_ok=True)
        report = _updated(home)
        try:
            _compact(build_path(home))
        except UnusableError as damage:
            report = _rebuilt(home, damage)
        _publish(home)
        return VacuumReport(
            bytes_before=before,
            bytes_after=_made_bytes(home),
            removed=tuple(str(path.relative_to(home)) for path in removed),
            notes=report.notes,
        )


def make_database(home: Path, path: Path) -> IngestReport:
    """Bring the database at ``path``, which need not be there, up to date with the journals."""
    with open_database(path) as connection:
        _require_own_schema(connection, path)
        report = _store_new_lines(home, connection)
        if report.lines:
            connection.execute("CHECKPOINT")
        return report


def read_positions(connection: Connection) -> dict[str, int]:
    """How far each journal file has been read into the database that is in use."""
    return dict(connection.execute("FROM bookkeeping.journal_files").fetchall())


@contextmanager
def _sole_writer(home: Path, wait_seconds: float) -> Iterator[bool]:
    """Hold the lock on the database; False if another process held it all the time."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        with hold(lock_path(home), wait_seconds) as held:
            yield held
    except OSError as problem:
        raise UnwritableError(
            f"{problem.filename or home} cannot be written: {problem.strerror}; make it writable, "
            "or set ASSAY_HOME to another folder"
        ) from problem


def _require(held: bool, home: Path) -> None:
    if not held:
        raise StoreError(
            f"another ingest held {lock_path(home)} for {INGEST_WAIT_SECONDS:g} s: wait for it, "
            "then type the same command again"
        )


def _updated(home: Path) -> IngestReport:
    try:
        return make_database(home, build_path(home))
    except UnusableError as damage:
        return _rebuilt(home, damage)


def _rebuilt(home: Path, damage: UnusableError | None) -> IngestReport:
    """Put the old database aside and read all journals from the start."""
    build, published = build_path(home), published_path(home)
    notes = []
    if damage is not None:
        notes.append(f"the database was rebuilt from the journals ({damage.found})")
    gone = _journals_that_are_gone(home)
    if gone:
        kept = f"old-{build.name}"
        if damage is not None and published.exists():  # which may be whole
            _copied(published, published.with_name(f"old-{published.name}"))
            kept += f" and old-{published.name}"
        notes.append(f"rows of deleted journals are now only in {kept}: {', '.join(gone)}")
    with _draft(build) as fresh:
        report = make_database(home, fresh)
        with uninterrupted():
            for path in (build, _wal(build)):
                if path.exists():
                    path.replace(path.with_name(f"old-{path.name}"))
            fresh.replace(build)
    return replace(report, rebuilt=True, notes=(*notes, *report.notes))


@contextmanager
def _draft(path: Path) -> Iterator[Path]:
    """Give a name for what will be ``path``; what is not put there inside the block is removed."""
    draft = path.with_name(f"{path.name}.new")
    made = (draft, _wal(draft))
    for each in made:
        each.unlink(missing_ok=True)
    try:
        yield draft
    finally:
        for each in made:
            with suppress(OSError):
                each.unlink()


def _wal(database: Path) -> Path:
    """Return where DuckDB writes ahead of a database."""
    return database.with_name(f"{database.name}.wal")


def _copied(source: Path, target: Path) -> None:
    """Put a whole copy of a file, safe on disk, under another name."""
    with _draft(target) as copy:
        shutil.copyfile(source, copy)
        with copy.open("rb") as file:
            os.fsync(file.fileno())
        shutil.copystat(source, copy)
        copy.replace(target)


def _journals_that_are_gone(home: Path) -> list[str]:
    """Journals that the database was made from and that are no longer there."""
    known: set[str] = set()
    for path in (published_path(home), build_path(home)):
        try:
            with private_instance() as connection:
                connection.execute(f"ATTACH {quoted(path)} AS old (READ_ONLY)")
                connection.execute("USE old")
                known |= read_positions(connection).keys()
        except DatabaseError:
            pass  # what cannot be read names nothing
    return sorted(known - {path.name for path in journal_files(home)})


def _compact(build: Path) -> None:
    """Copy a database into a file without gaps, and put that in its place."""
    with _draft(build) as fresh:
        try:
            with private_instance() as connection, interruptible(connection):
                connection.execute(f"ATTACH {quoted(build)} AS old (READ_ONLY)")
                connection.execute(
                    f"ATTACH {quoted(fresh)} AS new (STORAGE_VERSION '{STORAGE_VERSION}')"
                )
                connection.execute("COPY FROM DATABASE old TO new")
                connection.execute("CHECKPOINT new")
        except DatabaseError as problem:
            raise failure_of_writing(build, problem) from problem
        fresh.replace(build)


def _published(home: Path, report: IngestReport) -> IngestReport:
    """Publish the database unless the published file is already the same."""
    if report.lines == 0 and not report.rebuilt and _is_published(home):
        return report
    _publish(home)
    return replace(report, published=True)


def _is_published(home: Path) -> bool:
    published = published_path(home)
    if not published.exists():
        return False
    old, new = published.stat(), build_path(home).stat()
    return (old.st_mtime_ns, old.st_size) == (new.st_mtime_ns, new.st_size)


def _publish(home: Path) -> None:
    """Put a whole new file under the name that people read."""
    _copied(build_path(home), published_path(home))


def _leftovers(home: Path) -> tuple[Path, ...]:
    """Files that a killed process or a rebuild left; the caller holds the lock.

    Journals are never among them. Files of a running search are known by their age.
    """
    ours = [*home.glob("*.duckdb.new"), *home.glob("*.duckdb.new.wal"), *home.glob("old-*.duckdb*")]
    drafts = [path for path in home.glob("experiments/*/.*") if path.is_file()]
    now = time.time()
    old = [path for path in drafts if now - path.stat().st_mtime > ABANDONED_SECONDS]
    return tuple(sorted([*ours, *old]))


def _made_bytes(home: Path) -> int:
    made = {build_path(home), published_path(home), *_leftovers(home)}
    return sum(path.stat().st_size for path in made if path.exists())


@dataclass(slots=True, kw_only=True)
class _Batch:
    """Rows by kind and key, each key once, and how far the files were read for them."""

    rows: dict[str, dict[tuple[Any, ...], tuple[Recorded, str]]] = field(default_factory=dict)
    """The newest row of each key, and the journal file that holds it."""
    skipped: list[SkippedLine] = field(default_factory=list)
    read_bytes: dict[str, int] = field(default_factory=dict)
    unknown_fields: set[str] = field(default_factory=set)
    lines: int = 0
    size_bytes: int = 0

    def add(self, name: str, line: JournalLine) -> None:
        """Take in one line of the named journal file."""
        self.lines += 1
        self.size_bytes += line.byte_count
        self.read_bytes[name] = line.start_byte + line.byte_count
        match line.content:
            case Recorded() as found:
                rows = self.rows.setdefault(found.kind.table, {})
                known = rows.get(found.key)
                if known is None or (known[0].recorded_at, known[1]) <= (found.recorded_at, name):
                    rows[found.key] = found, name
                self.unknown_fields |= {f"{found.kind.kind}.{f}" for f in found.unknown_fields}
            case Unreadable(reason=reason):
                skipped = SkippedLine(
                    journal_file=name,
                    start_byte=line.start_byte,
                    byte_count=line.byte_count,
                    reason=reason,
                )
                self.skipped.append(skipped)


def _require_own_schema(connection: Connection, path: Path) -> None:
    """Make the tables of an empty database; refuse those of other versions."""
    schema, fingerprint = _own_schema()
    try:
        version, made_with = connection.execute("FROM bookkeeping.made_by").fetchall()[0]
    except NoSuchTable:
        if connection.execute("SHOW TABLES").fetchall():
            raise UnusableError(f"{path} was made by an older assay") from None
        connection.execute("BEGIN")
        connection.execute(schema)
        made_by = [SCHEMA_VERSION, fingerprint]
        connection.execute("INSERT INTO bookkeeping.made_by VALUES (?, ?)", made_by)
        connection.execute("COMMIT")
        return
    if version > SCHEMA_VERSION:
        raise HistoryTooNewError(
            f"{path} was written by a newer assay: it has schema {version}, this assay knows "
            f"{SCHEMA_VERSION}; upgrade assay, or set ASSAY_HOME to another folder"
        )
    if made_with != fingerprint:
        raise UnusableError(f"{path} was made by another version of assay")


@cache
def _own_schema() -> tuple[str, str]:
    """Return the SQL of the tables and views, and a sha256 of all that a database depends on."""
    schema = Path(__file__).with_name("schema.sql").read_text(encoding="utf-8")
    schema += "\n".join(evaluations_view(each.spec) for each in shipped_domains())
    kinds = [JOURNAL_VERSION, [(kind.kind, kind.columns) for kind in ROW_KINDS]]
    return schema, hashlib.sha256((schema + json.dumps(kinds)).encode()).hexdigest()


def _store_new_lines(home: Path, connection: Connection) -> IngestReport:
    positions = read_positions(connection)
    sizes = {path.name: path.stat().st_size for path in journal_files(home)}
    notes = [
        f"{name} was truncated: its lost rows stay in the history until a rebuild"
        for name, size in sizes.items()
        if size < positions.get(name, 0)
    ]
    lines, skipped, unknown = 0, list[SkippedLine](), set[str]()
    for batch in _new_batches(home, positions):
        _store(connection, batch)
        if "experiments" in batch.rows:
            notes += make_views(connection)
        lines += batch.lines
        skipped += batch.skipped
        unknown |= batch.unknown_fields
    if unknown:
        notes.append(f"fields of a newer assay were ignored: {', '.join(sorted(unknown))}")
    if skipped:
        notes.append(
            f"{len(skipped)} journal lines gave no row and stay where they are; first: {skipped[0]}"
        )
    return IngestReport(lines=lines, skipped=tuple(skipped), notes=tuple(notes))


def _new_batches(home: Path, positions: Mapping[str, int]) -> Iterator[_Batch]:
    """What the journals hold beyond the given positions; nothing when there is nothing new."""
    batch = _Batch()
    for path in journal_files(home):
        start_byte, size = positions.get(path.name, 0), path.stat().st_size
        if size == start_byte:
            continue
        # A file that got shorter was replaced; reading it again from the start doubles nothing.
        for line in complete_lines(path, start_byte if size > start_byte else 0):
            batch.add(path.name, line)
            if batch.size_bytes >= BATCH_BYTES or batch.lines >= BATCH_LINES:
                yield batch
                batch = _Batch()
    if batch.lines:
        yield batch


def _store(connection: Connection, batch: _Batch) -> None:
    """Put a batch and the positions it was read up to into the database, in one transaction."""
    connection.execute("BEGIN")
    for kind in ROW_KINDS:
        rows = batch.rows.get(kind.table)
        if rows:
            _upsert(connection, kind, rows.values())
    line = tuple(each.name for each in fields(SkippedLine))
    _merge(connection, "bookkeeping.skipped_lines", line, line[:2], map(astuple, batch.skipped))
    position = ("journal_file", "read_bytes")
    _merge(
        connection, "bookkeeping.journal_files", position, position[:1], batch.read_bytes.items()
    )
    connection.execute("COMMIT")


def make_views(connection: Connection) -> Iterator[str]:
    """Make the views of domains that do not come with Assay, from what experiments say of them.

    Yields a sentence for each that cannot be made; the rows are there all the same.
    """
    shipped = [each.name for each in shipped_domains()]
    newest = connection.execute(
        "SELECT domain, arg_max(domain_spec, (created_at, experiment_id)) FROM experiments "
        "WHERE domain <> '' AND NOT list_contains(?, domain) GROUP BY ALL ORDER BY ALL",
        [shipped],
    ).fetchall()
    for name, values in newest:
        where = f"domain {name!r} has no view of its figures"
        try:
            spec = spec_from(json.loads(values), where)
            if spec.name != name:
                raise InputError(f"{where}: it says that its name is {spec.name!r}")
            connection.execute(evaluations_view(spec))
        except InputError as error:
            yield str(error)


def _upsert(connection: Connection, kind: RowKind, rows: Iterable[tuple[Recorded, str]]) -> None:
    found = connection.execute(f"DESCRIBE {kind.table}").fetchall()
    nested = [kind.columns.index(name) for name, sql_type, *_ in found if sql_type == "JSON"]
    moments = [kind.columns.index(name) for name in kind.moments]
    values = (_values(kind, *row, nested, moments) for row in rows)
    recorded = ("recorded_at", "recorded_in")
    newer = (
        "WHERE (excluded.recorded_at, excluded.recorded_in) "
        f">= ({kind.table}.recorded_at, {kind.table}.recorded_in)"
    )
    _merge(connection, kind.table, (*kind.columns, *recorded), kind.key, values, newer)


def _merge(
    connection: Connection,
    table: str,
    columns: Sequence[str],
    key: Sequence[str],
    values: Iterable[Sequence[Any]],
    condition: str = "",
) -> None:
    """Insert rows; a row with an existing key replaces the old one if the condition holds."""
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


def _values(
    kind: RowKind, found: Recorded, name: str, nested: Sequence[int], moments: Sequence[int]
) -> list[Any]:
    """A row as the database takes it: JSON as text, moments in UTC without a zone."""
    values = list(kind.values(_named(found.row)))
    for place in nested:
        if values[place] is not None:
            values[place] = database_text(values[place])
    for place in moments:
        if values[place] is not None:
            values[place] = parse_time(values[place]).replace(tzinfo=None)
    return [*values, found.recorded_at.replace(tzinfo=None), name]


def _named(row: Row) -> Row:
    """Return a row as its table has it: journals may hold candidates without their names."""
    if isinstance(row, CandidateRow) and not row.name:
        return replace(row, name=name_of(row))
    return row
