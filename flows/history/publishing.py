"""Puts the database where people read it: a whole new file under the old name, never a change."""

import os
import shutil
from pathlib import Path

from flows.home import build_path, published_path

ABANDONED_SECONDS = 3600.0
"""A file on its way to its name for so long belongs to a process that died."""


def publish(home: Path, *, changed: bool) -> bool:
    """Put a copy of the database where people read it, unless the one there is the same.

    What is known to have ``changed`` may look the same: clocks of file systems can be coarse.
    """
    build, published = build_path(home), published_path(home)
    if published.exists() and not changed:
        old, new = published.stat(), build.stat()
        if (old.st_mtime_ns, old.st_size) == (new.st_mtime_ns, new.st_size):
            return False
    copy = published.with_name(published.name + ".new")
    shutil.copyfile(build, copy)
    with copy.open("rb") as file:
        os.fsync(file.fileno())
    shutil.copystat(build, copy)
    copy.replace(published)
    return True


def leftovers(home: Path, now: float) -> tuple[Path, ...]:
    """Files that a killed process or a rebuild left, for whoever holds the ingest's lock.

    Journals are never among them. Files of a running search are known by their age.
    """
    ours = [*home.glob("*.duckdb.new"), *home.glob("*.duckdb.new.wal"), *home.glob("old-*.duckdb*")]
    drafts = [path for path in home.glob("experiments/*/.*") if path.is_file()]
    old = [path for path in drafts if now - path.stat().st_mtime > ABANDONED_SECONDS]
    return tuple(sorted([*ours, *old]))
