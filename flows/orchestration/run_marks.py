"""Marks of flow runs that are alive: a process that dies, however it dies, gives its mark up."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.home import make_folder

DRAFT = ".new"


@contextmanager
def marked(home: Path, run: str | None) -> Iterator[None]:
    """Hold the mark of a flow run while the block runs; without a run there is none."""
    if run is None:
        yield
        return
    path = _folder(home) / run
    draft = path.with_suffix(DRAFT)
    with draft.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        draft.rename(path)  # nobody sees it before it is locked
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def abandoned(home: Path) -> list[str]:
    """Return the flow runs whose processes died without a word."""
    marks = [path for path in sorted(_folder(home).iterdir()) if path.suffix != DRAFT]
    return [path.name for path in marks if _is_free(path)]


def forget(home: Path, run: str) -> None:
    """Remove the mark of a run that is dealt with."""
    (_folder(home) / run).unlink(missing_ok=True)


def _folder(home: Path) -> Path:
    return make_folder(home / "flow-runs")


def _is_free(path: Path) -> bool:
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # locked, or gone by now
        return False
    return True
