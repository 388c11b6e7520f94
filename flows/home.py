"""Where the history lives: the home folder, the names of the files inside it, and locks on them."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from flows.errors import AlreadyRunning, UserError

DEFAULT_HOME = ".assay"
FOREVER = math.inf
RETRY_SECONDS = 0.02
LOCK_SECONDS = 1.0
"""How long a process that a killed run was about to start may still have its lock."""
"""How long to wait before a lock that another holds is tried again."""


def home_folder() -> Path:
    """The folder that ``ASSAY_HOME`` names, else ``.assay`` here; it need not exist."""
    return Path(os.environ.get("ASSAY_HOME") or DEFAULT_HOME).expanduser().absolute()


def make_folder(path: Path) -> Path:
    """Make a folder under home, or home itself; refuse one in which nothing can be written."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise UserError(f"{path} is not a folder: set ASSAY_HOME to one") from None
    except OSError as error:
        raise UserError(
            f"cannot create the folder {path} ({error.strerror}): set ASSAY_HOME to a folder "
            "that can be written"
        ) from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise UserError(
            f"the folder {path} cannot be written: make it writable, or set ASSAY_HOME to another"
        )
    return path


def journal_folder(home: Path) -> Path:
    """The folder of the journals: the only files that cannot be rebuilt from others."""
    return home / "journal"


def build_path(home: Path) -> Path:
    """The database that an ingest writes; nobody else opens it."""
    return home / "build.duckdb"


def published_path(home: Path) -> Path:
    """The database that people read; it is only ever replaced, never changed."""
    return home / "history.duckdb"


def lock_path(home: Path) -> Path:
    """The file whose lock says that an ingest is going on."""
    return home / "ingest.lock"


def experiment_folder(home: Path, experiment_id: str) -> Path:
    """The folder of what one experiment leaves for people: its best policy and its report."""
    return home / "experiments" / experiment_id


def sweep_folder(home: Path, name: str) -> Path:
    """The folder of what a sweep leaves: the page about its searches."""
    return home / "sweeps" / name


@contextmanager
def hold(path: Path, wait_seconds: float) -> Iterator[bool]:
    """Hold the lock on a file inside the ``with`` block; False if another held it all the time.

    The kernel frees the lock when its holder dies, so that nothing ever has to be cleaned up.
    """
    from filelock import FileLock, Timeout  # most commands lock nothing, and it takes a while

    lock = FileLock(path, mode=0o644, poll_interval=RETRY_SECONDS, fallback_to_soft=False)
    try:
        lock.acquire(timeout=wait_seconds)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


@contextmanager
def only_one(folder: Path, busy: str, own: str) -> Iterator[None]:
    """Hold the lock of a folder under home, which is released when the process dies.

    Raise AlreadyRunning where another process holds it: ``busy`` says what it does ("experiment x
    is being worked on"), ``own`` what this one wants to do and may give another name ("search").
    """
    path = make_folder(folder) / "lock"
    try:
        path.touch()
    except OSError as error:
        raise UserError(
            f"cannot create the lock {path} ({error.strerror}): free disk space or repair the "
            "disk, then run the same command again"
        ) from None
    with hold(path, LOCK_SECONDS) as held:
        if not held:
            holder = path.read_text(encoding="ascii").strip()
            raise AlreadyRunning(
                f"{busy} by process {holder}: wait for it, or give this {own} another --name"
            )
        with suppress(OSError):  # on a full disk the journal says so
            path.write_text(str(os.getpid()), encoding="ascii")
        yield


def is_held(path: Path) -> bool:
    """Return whether a living process holds the lock on a file, which must exist."""
    from filelock import lock_descriptor

    with path.open() as file:
        return not lock_descriptor(file.fileno(), blocking=False)
