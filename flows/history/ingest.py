"""Brings the database up to date with the journals, under a lock, and publishes it."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from flows.history.database import (
    STORAGE_VERSION,
    Connection,
    DatabaseError,
    open_file,
    open_nothing,
    quoted,
)
from flows.history.ingest_lock import hold
from flows.history.ingest_tables import (
    IngestReport,
    SchemaDiffersError,
    SchemaTooNewError,
    migrate,
    read_journals,
)
from flows.history.journal import journal_files
from flows.history.publishing import leftovers, publish
from flows.history.store_problems import (
    DamagedError,
    explained,
    first_damage,
    first_line,
    unwritable,
)
from flows.history.store_values import HistoryTooNewError, StoreError
from flows.home import build_path, lock_path, published_path

INGEST_WAIT_SECONDS = 60.0

Report = TypeVar("Report")


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
    report = _under_lock(home, wait_seconds, _ingest_and_publish)
    return IngestReport(busy=True) if report is None else report


def rebuild(home: Path) -> IngestReport:
    """Make the database anew from the journals alone; the old one is kept aside."""
    return _not_busy(home, lambda home: _published(home, _rebuild(home)))


def mend(home: Path) -> IngestReport:
    """Publish a database that can be read to its end: the build, else one made anew."""
    return _not_busy(home, _mend)


def vacuum(home: Path) -> VacuumReport:
    """Write the database anew without the room that changes left, and remove left-over files."""
    return _not_busy(home, _vacuum)


def _not_busy(home: Path, work: Callable[[Path], Report]) -> Report:
    report = _under_lock(home, INGEST_WAIT_SECONDS, work)
    if report is None:
        raise StoreError(
            f"another ingest held {lock_path(home)} for {INGEST_WAIT_SECONDS:g} s: wait for it, "
            "then type the same command again"
        )
    return report


def _under_lock(home: Path, wait_seconds: float, work: Callable[[Path], Report]) -> Report | None:
    try:
        home.mkdir(parents=True, exist_ok=True)
        with hold(lock_path(home), wait_seconds) as held:
            return work(home) if held else None
    except OSError as problem:
        raise unwritable(home, problem) from problem


def _ingest_and_publish(home: Path) -> IngestReport:
    return _published(home, _ingest_or_rebuild(home))


def _published(home: Path, report: IngestReport) -> IngestReport:
    changed = report.lines > 0 or report.rebuilt
    return replace(report, published=publish(home, changed=changed))


def _ingest_or_rebuild(home: Path) -> IngestReport:
    try:
        return _ingest_into_build(home)
    except DamagedError as damage:
        return _rebuild(home, str(damage))


def _ingest_into_build(home: Path) -> IngestReport:
    connection = _open_build(build_path(home))
    try:
        report = read_journals(home, connection)
        if report.lines:
            connection.execute("CHECKPOINT")
        return report
    except DatabaseError as problem:
        raise explained(build_path(home), problem) from problem
    finally:
        connection.close()


def _open_build(path: Path) -> Connection:
    try:
        connection = open_file(path)
    except DatabaseError as problem:
        raise explained(path, problem) from problem
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
        raise DamagedError(str(problem)) from problem
    except DatabaseError as problem:
        connection.close()
        raise explained(path, problem) from problem
    return connection


def _rebuild(home: Path, damage: str = "") -> IngestReport:
    """Put the old database aside and read all journals from the start."""
    build, published = build_path(home), published_path(home)
    notes = []
    if damage:
        notes.append(f"the database was made anew from the journals ({damage.splitlines()[0]})")
    gone = _journals_that_are_gone(home)
    if gone:
        kept = f"old-{build.name}"
        if damage and published.exists():  # which may be whole
            shutil.copyfile(published, published.with_name(f"old-{published.name}"))
            kept += f" and old-{published.name}"
        notes.append(f"rows of journals that are gone are only in {kept} now: {', '.join(gone)}")
    for path in (build, build.with_name(build.name + ".wal")):
        if path.exists():
            path.replace(path.with_name(f"old-{path.name}"))
    try:
        report = _ingest_into_build(home)
    except DamagedError as problem:
        raise StoreError(
            f"{build} cannot be made from the journals: {problem}; see whether the disk is full"
        ) from problem
    return replace(report, rebuilt=True, notes=(*notes, *report.notes))


def _journals_that_are_gone(home: Path) -> list[str]:
    """Journals that the database was made from and that are no longer there."""
    known: set[str] = set()
    for path in (published_path(home), build_path(home)):
        connection = open_nothing()
        try:
            connection.execute(f"ATTACH {quoted(path)} AS old (READ_ONLY)")
            found = connection.execute("SELECT journal_file FROM old.bookkeeping.journal_files")
            known.update(name for (name,) in found.fetchall())
        except DatabaseError:
            pass  # what cannot be read names nothing
        finally:
            connection.close()
    return sorted(known - {path.name for path in journal_files(home)})


def _mend(home: Path) -> IngestReport:
    published, build = published_path(home), build_path(home)
    found = first_damage(published)
    if found is None:  # another process was quicker
        return IngestReport()
    if first_damage(build) is not None:
        return _published(home, _rebuild(home, found))
    note = f"{published.name} was damaged and is a copy of {build.name} again ({found})"
    return IngestReport(published=publish(home, changed=True), notes=(note,))


def _vacuum(home: Path) -> VacuumReport:
    before = _made_bytes(home)
    removed = _remove(home)  # first, so that what a rebuild below puts aside is kept
    report = _ingest_or_rebuild(home)
    build = build_path(home)
    fresh = build.with_name(f"{build.name}.new")
    try:
        _copy_database(build, fresh)
    except DamagedError as problem:
        report = _rebuild(home, first_line(problem))
        _copy_new_database(build, fresh)
    fresh.replace(build)
    publish(home, changed=True)
    return VacuumReport(
        bytes_before=before,
        bytes_after=_made_bytes(home),
        removed=tuple(removed),
        notes=report.notes,
    )


def _copy_new_database(old: Path, new: Path) -> None:
    try:
        _copy_database(old, new)
    except DamagedError as problem:
        raise StoreError(
            f"{old} is damaged although it was just made anew ({first_line(problem)}): see whether "
            "the disk is well"
        ) from problem


def _copy_database(old: Path, new: Path) -> None:
    new.unlink(missing_ok=True)
    connection = open_nothing()
    try:
        connection.execute(f"ATTACH {quoted(old)} AS old (READ_ONLY)")
        connection.execute(f"ATTACH {quoted(new)} AS new (STORAGE_VERSION '{STORAGE_VERSION}')")
        connection.execute("COPY FROM DATABASE old TO new")
        connection.execute("CHECKPOINT new")
    except DatabaseError as problem:
        raise explained(new, problem) from problem
    finally:
        connection.close()


def _remove(home: Path) -> list[str]:
    removed = []
    for path in leftovers(home, time.time()):
        path.unlink(missing_ok=True)
        removed.append(str(path.relative_to(home)))
    return removed


def _made_bytes(home: Path) -> int:
    made = {build_path(home), published_path(home), *leftovers(home, time.time())}
    return sum(path.stat().st_size for path in made if path.exists())
