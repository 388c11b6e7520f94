"""What keeps a machine that searches every night in order."""

from pathlib import Path

from flows.store import ingest
from sandbox.reaper import reap


def tidy(home: Path) -> str:
    """Remove cells that dead processes left, ingest what they recorded; say what was done."""
    removed = reap()
    report = ingest(home)
    ingested = "another ingest is running" if report.busy else f"{report.lines} rows ingested"
    return "; ".join([f"{len(removed)} stray cells removed", ingested, *report.notes])
