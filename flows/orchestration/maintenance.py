"""What keeps a machine that searches every night in order."""

from pathlib import Path

from flows.history.store import ingest
from sandbox.errors import SandboxUnavailable
from sandbox.reaper import reap


def tidy(home: Path) -> str:
    """Remove cells that dead processes left, ingest what they recorded; say what was done."""
    cells = _reaped()
    report = ingest(home)
    ingested = "another ingest is running" if report.busy else f"{report.lines} rows ingested"
    return "; ".join([cells, ingested, *report.notes])


def _reaped() -> str:
    try:
        reaped = reap()
        return "; ".join([f"{len(reaped.removed)} stray cells removed", *reaped.skipped])
    except SandboxUnavailable as error:  # a machine may try its policies in embedded cells
        return f"no cells were looked for: {error}"
