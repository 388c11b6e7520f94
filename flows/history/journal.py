"""The journal of an experiment: rows appended to files, each safe on disk when append returns."""

import json
import math
import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NoReturn, Self

from pydantic import TypeAdapter, ValidationError

from flows.errors import UserError
from flows.history.records import ROW_KINDS, Row, RowKind
from flows.history.redact import environment_secrets, redact_value
from flows.home import journal_folder

JOURNAL_VERSION: Final = 1
MAX_LINE_BYTES: Final = 64 * 1024 * 1024

LAST_YEAR: Final = 9998
"""Of the moments of lines: what comes after a line is later than it, and needs room."""

_KIND_BY_NAME = {kind.kind: kind for kind in ROW_KINDS}
_KIND_BY_TYPE = {kind.row_type: kind for kind in ROW_KINDS}
_READERS: dict[str, TypeAdapter[Any]] = {k.kind: TypeAdapter(k.row_type) for k in ROW_KINDS}
_COLUMNS = {kind.kind: frozenset(kind.columns) for kind in ROW_KINDS}
_INT64_MAX = 2**63 - 1
_JSON: TypeAdapter[Any] = TypeAdapter(Any)
# The fast parser accepts or confuses these values; the strict one refuses or repairs them.
_DOUBTFUL = (b"NaN", b"Infinity")


_EXPERIMENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_MICROSECOND = timedelta(microseconds=1)
_MOMENT = re.compile(rb'\{"v":\d+,"kind":"\w+","at":"([-+:.T0-9]+)"')


class JournalError(UserError):
    """The journal cannot be written: nothing after this may be reported as recorded."""


class JournalTooNewError(JournalError):
    """A newer assay worked on the experiment; its unreadable replies would be paid for twice."""


class Journal:
    """Appends rows to a new file under the home folder; several threads may share one journal.

    Each process opens its own file, so writers never wait for each other and a crash can damage
    only the last line of one file. The given secrets, those of the environment and every string
    that looks like a key are redacted before a text is written.
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
                    "recorded: make room or repair the disk, then run the same command again"
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
                "so no later row can be recorded: give the search another name"
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
class Recorded:
    """A row as the journal holds it."""

    row: Row
    kind: RowKind
    recorded_at: datetime
    unknown_fields: tuple[str, ...] = ()
    """Fields that a newer assay wrote; the line keeps them, this version leaves them out."""

    @property
    def key(self) -> tuple[Any, ...]:
        """What names the row among the rows of its kind."""
        return tuple(getattr(self.row, name) for name in self.kind.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """Why a complete line gives no row. The line stays where it is."""

    reason: str
    newer: bool = False
    """A later version of assay wrote it, and would know what it says."""


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
    """All journal files, or one experiment's, in the order of their start."""
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
        started = moment.strftime("%Y%m%dT%H%M%S%f")
        path = folder / f"{experiment_id}.{started}.{os.getpid()}.jsonl"
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


def kind_of(row: Row) -> RowKind:
    """The kind of a row."""
    return _KIND_BY_TYPE[type(row)]


def row_values(row: Row) -> dict[str, Any]:
    """A row's fields, which are JSON-like values; they are the row's own, not copies."""
    return {each.name: getattr(row, each.name) for each in fields(row)}


def encode_line(kind: RowKind, values: dict[str, Any], at: datetime) -> bytes:
    """One line of ASCII JSON with its newline; numbers that are not finite become null."""
    frame = {"v": JOURNAL_VERSION, "kind": kind.kind, "at": at.isoformat(), "row": values}
    return json_text(frame).encode("ascii") + b"\n"


def json_text(value: Any) -> str:
    """JSON that every reader takes: ASCII, null for NaN and infinity, no lone surrogates."""
    try:
        text = _dumps(value)
    except ValueError:
        value = without_nonfinite(value)
        text = _dumps(value)
    return _dumps(_without_surrogates(value)) if "\\ud" in text else text


def database_text(value: Any) -> str:
    """JSON for the database, of a value that came from a journal; five times as fast."""
    return _JSON.dump_json(value).decode("utf-8")


def decode_line(line: bytes) -> Recorded | Unreadable:
    """The row of one complete line, checked against its dataclass."""
    try:
        frame = _parsed(line)
    except (ValueError, RecursionError) as problem:
        return Unreadable(reason=f"not JSON: {problem}")
    if not isinstance(frame, dict) or not isinstance(frame.get("row"), dict):
        return Unreadable(reason='expected {"v", "kind", "at", "row"}')
    if frame.get("v") != JOURNAL_VERSION:
        return _other_version(frame.get("v"))
    kind = _KIND_BY_NAME.get(str(frame.get("kind")))
    if kind is None:
        reason = f"unknown kind {frame.get('kind')!r}: a newer assay may know it"
        return Unreadable(reason=reason, newer=isinstance(frame.get("kind"), str))
    values = _without_surrogates(frame["row"]) if b"\\ud" in line.lower() else frame["row"]
    try:
        row = _READERS[kind.kind].validate_python(values)
        _check_numbers_and_times(kind, row)
        at = recorded_moment(frame.get("at"))
    except ValidationError as problem:
        return Unreadable(reason=_first_problem(kind, problem))
    except (ValueError, OverflowError) as problem:
        return Unreadable(reason=f"{kind.kind}: {problem}")
    unknown = tuple(sorted(values.keys() - _COLUMNS[kind.kind]))
    return Recorded(row=row, kind=kind, recorded_at=at, unknown_fields=unknown)


def _parsed(line: bytes) -> Any:
    """The value of a line; what the fast parser refuses goes to the strict one, which says why."""
    if not any(words in line for words in _DOUBTFUL):
        try:
            return _JSON.validate_json(line)
        except ValidationError:
            pass
    return json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)


def parse_time(value: object) -> datetime:
    """A moment from ISO 8601; one without a zone is UTC."""
    moment = datetime.fromisoformat(str(value))
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def recorded_moment(value: object) -> datetime:
    """The moment of a line; one so late that no later one can be written is refused."""
    moment = parse_time(value)
    if moment.year > LAST_YEAR:
        raise ValueError(f"at is {value}, expected a moment before the year {LAST_YEAR + 1}")
    return moment


def without_nonfinite(value: Any) -> Any:
    """A copy of a JSON-like value in which NaN and infinities are null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: without_nonfinite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nonfinite(item) for item in value]
    return value


def _dumps(value: Any) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_without_surrogates(k): _without_surrogates(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_surrogates(item) for item in value]
    return value


def _check_numbers_and_times(kind: RowKind, row: Row) -> None:
    for place, value in enumerate(kind.values(row)):
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{kind.columns[place]} is {value}, expected a finite number or null")
        if isinstance(value, int) and not -_INT64_MAX <= value <= _INT64_MAX:
            raise ValueError(f"{kind.columns[place]} is {value}, expected at most 64 bits")
    for name in kind.moments:
        moment = getattr(row, name)
        if moment is not None:
            parse_time(moment)


def _other_version(version: object) -> Unreadable:
    newer = isinstance(version, int) and version > JOURNAL_VERSION
    advice = ", a newer one can: upgrade assay" if newer else ""
    return Unreadable(
        reason=f"journal version {version!r}: this assay reads {JOURNAL_VERSION}{advice}",
        newer=newer,
    )


def _first_problem(kind: RowKind, problem: ValidationError) -> str:
    first = problem.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    return f"{kind.kind}: {field}: {first['msg'].lower()}"


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number JSON knows")
