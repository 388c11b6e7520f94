"""A copy of the history without what is held back from whoever writes policies.

What is not in the copy cannot be asked for, whatever the question: every reader is given the copy.
Nothing is shown by default: a table that is not named here stays empty, and of tables whose rows
belong to no split only the named columns are copied.
"""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from flows.history.database import (
    Connection,
    DatabaseError,
    failure_of_reading,
    open_database,
    quoted,
)
from flows.history.ingest import INGEST_WAIT_SECONDS, make_database, make_views
from flows.history.store import refreshed
from flows.home import published_path

EXPERIMENTS = (
    "experiment_id name created_at status seed domain domain_version domain_sha256 domain_spec "
    "suite objective proposer strategy model config_sha256 assay_version simulator_version "
    "image_id flow_run_id finished_at"
).split()
"""Not ``config``, which names folders and servers; ``status_detail`` may tell a result."""
CANDIDATES = (
    "experiment_id iteration slot candidate name title origin operator parents source outcome "
    "score improved problem problem_line duplicate_of prompt_sha256 created_at seconds "
    "cell_seconds image_id isolation findings simulator_version config_sha256 domain "
    "domain_version standing"
).split()
OF_VALIDATION = (
    "validation_score standing_detail gain_low_percent gain_high_percent gap_percent".split()
)
"""Columns of candidates that tell a figure on validation."""
EVENTS = ("started", "resumed", "attempt_lost", "budget", "interrupted", "audit")
EVENTS_OF_VALIDATION = ("new_best", "refused", "gap_alarm")
"""Kinds of events; a verdict on test is ``test``, and ``finished`` may tell one."""
OF_HOSTS = ("host", "engine")
"""Columns of evaluations that tell of machines and not of policies."""
RECORDED = ("recorded_at", "recorded_in")
VALIDATION = "validation"


class OpenHistory:
    """Gives readers a folder whose history holds nothing but these splits; a context manager.

    The folder serves wherever a home folder is read. It is not for writing.
    """

    def __init__(self, home: Path, splits: Sequence[str]) -> None:
        self._home = home
        self._splits = tuple(splits)
        self._lock = threading.Lock()
        self._copied: tuple[int, ...] | None = None
        self._folder = TemporaryDirectory(prefix="assay-seen-")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._folder.cleanup()

    @property
    def path(self) -> str:
        """The folder's path, which tells a client nothing."""
        return self._folder.name

    def folder(self) -> tuple[Path, tuple[str, ...]]:
        """Return the folder, up to date with the history, and what a reader should know of that."""
        folder = Path(self._folder.name)
        with self._lock:
            notes = refreshed(self._home, INGEST_WAIT_SECONDS)
            source = published_path(self._home)
            found = _identity(source)
            if found != self._copied or not published_path(folder).exists():
                _copy(source if source.exists() else None, folder, self._splits)
                self._copied = found
        return folder, notes


def _identity(path: Path) -> tuple[int, ...]:
    if not path.exists():
        return ()
    known = path.stat()
    return known.st_mtime_ns, known.st_size, known.st_ino


def _copy(source: Path | None, folder: Path, splits: Sequence[str]) -> None:
    """Put a new copy under the name that is read; who reads the one before goes on reading it."""
    draft = folder / "copy.duckdb.new"
    draft.unlink(missing_ok=True)
    make_database(folder, draft)  # without a journal: the tables and views, empty
    if source is not None:
        with open_database(draft) as connection:
            try:
                connection.execute(f"ATTACH {quoted(source)} AS whole (READ_ONLY)")
                _fill(connection, splits)
                connection.execute("DETACH whole")
            except DatabaseError as problem:
                raise failure_of_reading(source, problem) from problem
    draft.replace(published_path(folder))


def _fill(connection: Connection, splits: Sequence[str]) -> None:
    of_validation = VALIDATION in splits
    events = [*EVENTS, *(EVENTS_OF_VALIDATION if of_validation else ())]
    # Where one split alone was tried, its figures stand in columns that are called train elsewhere.
    connection.execute(
        "CREATE TEMP TABLE seen AS SELECT experiment_id FROM whole.experiments "
        "WHERE list_contains(?, coalesce(config->>'split', 'train'))",
        [list(splits)],
    )
    of_split, of_kind = (
        ("list_contains(?, split)", list(splits)),
        ("list_contains(?, kind)", events),
    )
    conditions: Mapping[str, tuple[str, list[str]]] = {
        "experiments": ("true", []),
        "scenarios": of_split,
        "candidates": ("true", []),
        "evaluations": of_split,
        "events": of_kind,
        "llm_calls": ("true", []),
    }
    columns = {
        "experiments": EXPERIMENTS,
        "candidates": [*CANDIDATES, *(OF_VALIDATION if of_validation else ())],
    }
    for table, (condition, values) in conditions.items():
        every = f"* EXCLUDE ({', '.join(OF_HOSTS)})" if table == "evaluations" else "*"
        listed = ", ".join([*columns[table], *RECORDED]) if table in columns else every
        connection.execute(
            f"INSERT INTO {table} BY NAME SELECT {listed} FROM whole.{table} "
            f"WHERE experiment_id IN (FROM seen) AND {condition}",
            [values] if values else None,
        )
    connection.execute(
        "INSERT INTO prompts BY NAME FROM whole.prompts "
        "WHERE prompt_sha256 IN (SELECT prompt_sha256 FROM candidates)"
    )
    connection.execute("DROP TABLE seen")
    list(make_views(connection))
