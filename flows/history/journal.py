"""The journal of an experiment: rows appended to files, each safe on disk when append returns."""

import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from flows.errors import UserError
from flows.history.journal_lines import (
    LAST_YEAR,
    MAX_LINE_BYTES,
    Recorded,
    Unreadable,
    decode_line,
    encode_line,
    kind_of,
    recorded_moment,
    row_values,
)
from flows.history.records import Row
from flows.history.redact import environment_secrets, redact_value
from flows.home import journal_folder

_EXPERIMENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_MICROSECOND = timedelta(microseconds=1)
_MOMENT = re.compile(rb'\{"v":\d+,"kind":"\w+","at":"([-+:.T0-9]+)"')


class JournalError(UserError):
    """The journal cannot be written: nothing may be reported as recorded from here on."""


class JournalTooNewError(JournalError):
    """A newer assay worked on the experiment; what it paid for would be paid for again."""


class Journal:
    """Appends rows to a new file under the home folder; several threads may share one journal.

    Each process opens a file of its own, so that writers never wait for each other and a crash can
    tear only the last line of one file. The secrets given, those of the environment and whatever
    looks like a key are taken out of every text before it is written.
    """

    def __init__(
        self,
        home: Path,
        experiment_id: str,
        secrets: Sequence[str] = (),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        if not _EXPERIMENT_ID.fullmatch(experiment_id):
            raise JournalError(
                f"experiment id {experiment_id!r} cannot name a file: use 1 to 128 letters, "
                "digits, dots, dashes and underscores, beginning with a letter or digit"
            )
        self._experiment_id = experiment_id
        self._secrets = (*secrets, *environment_secrets(os.environ))
        self._now = now
        self._last_at = _newest_moment(journal_files(home, experiment_id))
        self._lock = threading.Lock()
        self.path, self._descriptor = _create(journal_folder(home), experiment_id, now())
        self._good_bytes = 0

    def append(self, row: Row) -> None:
        """Write one row; when this returns, the row is on disk."""
        self.append_all((row,))

    def append_all(self, rows: Sequence[Row]) -> None:
        """Write several rows with one wait for the disk; a crash may keep only the first ones."""
        with self._lock:
            if self._descriptor < 0:
                raise JournalError(f"{self.path} is closed: open a new journal to record more")
            data = b"".join(self._line(row) for row in rows)
            good_bytes = self._good_bytes
            try:
                _write_all(self._descriptor, data)
                self._good_bytes += len(data)  # before the wait, which Ctrl-C may end
                os.fsync(self._descriptor)
            except OSError as problem:
                self._good_bytes = good_bytes
                self._forget_torn_part()
                raise JournalError(
                    f"cannot write {self.path}: {problem.strerror}; nothing of this step was "
                    "recorded: make room or mend the disk, then run the same command again"
                ) from problem

    def close(self) -> None:
        """Close the file; what was appended is already safe. Closing twice is allowed."""
        with self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _line(self, row: Row) -> bytes:
        owner = getattr(row, "experiment_id", self._experiment_id)
        if owner != self._experiment_id:
            raise JournalError(
                f"a row of experiment {owner!r} does not belong into {self.path.name}, "
                f"the journal of {self._experiment_id!r}"
            )
        self._last_at = self._next_moment()
        values = redact_value(row_values(row), self._secrets)
        line = encode_line(kind_of(row), values, self._last_at)
        if len(line) > MAX_LINE_BYTES:
            raise JournalError(
                f"a {kind_of(row).kind} row takes {len(line)} bytes, at most {MAX_LINE_BYTES} fit"
            )
        return line

    def _next_moment(self) -> datetime:
        later = max(self._now(), self._last_at + _MICROSECOND)
        if later.year > LAST_YEAR:
            raise JournalError(
                f"a journal of {self._experiment_id} has a line of {self._last_at.isoformat()}, "
                "and nothing can be recorded as later: give the search another name"
            )
        return later

    def _forget_torn_part(self) -> None:
        """Cut what a failed write left, so that the next row does not continue a torn line."""
        try:
            os.ftruncate(self._descriptor, self._good_bytes)
        except OSError:
            os.close(self._descriptor)
            self._descriptor = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalLine:
    """One complete line of a journal file and what it says."""

    start_byte: int
    byte_count: int
    content: Recorded | Unreadable


def read_rows(
    home: Path, experiment_id: str, keep: Callable[[Row], Row] = lambda row: row
) -> Iterator[Row]:
    """The rows of one experiment, each key once with its newest content, in order of first writing.

    All that is held of a row is what ``keep`` makes of it. A torn last line and damaged ones are
    passed over; a line of a newer assay is an error, because what it holds may be paid for.
    """
    latest: dict[tuple[str, Any], tuple[datetime, Row]] = {}
    for path in journal_files(home, experiment_id):
        for line in complete_lines(path):
            match line.content:
                case Recorded() as found:
                    key = (found.kind.kind, found.key)
                    known = latest.get(key)
                    if known is None or known[0] <= found.recorded_at:
                        latest[key] = found.recorded_at, keep(found.row)
                case Unreadable(newer=True, reason=reason):
                    raise JournalTooNewError(
                        f"{path}, byte {line.start_byte}: {reason}; with this assay give the "
                        "search another name, or set ASSAY_HOME to another folder"
                    )
                case Unreadable():
                    pass
    return iter([row for _, row in latest.values()])


def journal_files(home: Path, experiment_id: str | None = None) -> tuple[Path, ...]:
    """All journal files, or one experiment's, in the order in which they were begun."""
    folder = journal_folder(home)
    names = sorted(folder.glob("*.jsonl"), key=_begun) if folder.is_dir() else []
    return tuple(p for p in names if experiment_id in (None, p.name.rsplit(".", 3)[0]))


def complete_lines(path: Path, start_byte: int = 0) -> Iterator[JournalLine]:
    """The lines from a position on up to the last newline; beyond it somebody is still writing."""
    with path.open("rb") as file:
        file.seek(start_byte)
        for line in file:
            if not line.endswith(b"\n"):
                return
            yield JournalLine(
                start_byte=start_byte, byte_count=len(line), content=decode_line(line)
            )
            start_byte += len(line)


def _newest_moment(paths: Sequence[Path]) -> datetime:
    """The newest time written so far: what comes next counts as newer whatever the clock says."""
    newest = datetime.min.replace(tzinfo=UTC)
    for path in paths:
        with path.open("rb") as file:
            for line in file:
                newest = max(newest, _moment_of(line) or newest)
    return newest


def _moment_of(line: bytes) -> datetime | None:
    """When a line was recorded; None for one that is torn or gives no row."""
    if not line.endswith(b"\n"):
        return None
    found = _MOMENT.match(line)
    if found is None:  # not as we write it, but perhaps a row
        content = decode_line(line)
        return content.recorded_at if isinstance(content, Recorded) else None
    try:
        return recorded_moment(found[1].decode("ascii"))
    except (ValueError, OverflowError):
        return None


def _begun(path: Path) -> tuple[str, str]:
    parts = path.name.rsplit(".", 3)
    return (parts[1] if len(parts) == 4 else "", path.name)


def _create(folder: Path, experiment_id: str, moment: datetime) -> tuple[Path, int]:
    """A new file named by experiment, start time and process; its entry is on disk too."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    while True:
        begun = moment.strftime("%Y%m%dT%H%M%S%f")
        path = folder / f"{experiment_id}.{begun}.{os.getpid()}.jsonl"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, flags, 0o644)
            _sync_folder(folder)
            return path, descriptor
        except FileExistsError:
            if not folder.is_dir():
                raise JournalError(f"{folder} is not a folder: set ASSAY_HOME to one") from None
            moment += _MICROSECOND
        except OSError as problem:
            raise JournalError(
                f"cannot create {path}: {problem.strerror}; set ASSAY_HOME to a folder that can "
                "be written"
            ) from problem


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
