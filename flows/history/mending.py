"""Reads the published database, and mends it first where a file turns out to be damaged."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from flows.history.database import DatabaseError, may_be_damage
from flows.history.ingest import mend
from flows.history.store_problems import DamagedError, first_damage, first_line
from flows.history.store_values import StoreError, UnwritableError
from flows.home import published_path

Answer = TypeVar("Answer")


def mended(home: Path, read: Callable[[], Answer]) -> tuple[Answer, tuple[str, ...]]:
    """What ``read`` gives, and what a person should know if a damaged file was mended for it.

    DuckDB opens a file whose middle is damaged, so that the damage shows only when it is read.
    """
    try:
        return _read(home, read), ()
    except DamagedError as problem:
        notes = _mend(home, problem)
    try:
        return _read(home, read), notes
    except DamagedError as problem:
        raise StoreError(
            f"{published_path(home)} is damaged although it was just made anew "
            f"({first_line(problem)}): see whether the disk is well"
        ) from problem


def _read(home: Path, read: Callable[[], Answer]) -> Answer:
    """Tell damage of the history from failures of the query, also with files of the person's."""
    path = published_path(home)
    before = _identity(path)
    try:
        return read()
    except DatabaseError as problem:
        if may_be_damage(problem) and path.exists():
            found = first_damage(path)
            if found is not None:
                raise DamagedError(found) from problem
            if _identity(path) != before:  # somebody else mended it meanwhile
                raise DamagedError(str(problem)) from problem
        raise


def _mend(home: Path, problem: DamagedError) -> tuple[str, ...]:
    try:
        return mend(home).notes
    except UnwritableError as obstacle:
        raise StoreError(
            f"{published_path(home)} is damaged ({first_line(problem)}) and cannot be made anew "
            f"({obstacle}): make the folder writable, then type assay db rebuild"
        ) from problem


def _identity(path: Path) -> tuple[int, int] | None:
    if not path.exists():
        return None
    stat = path.stat()
    return stat.st_ino, stat.st_mtime_ns
