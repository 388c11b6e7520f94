"""One line of a journal: how a row is written down, and how a line is read and checked."""

import json
import math
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from pydantic import TypeAdapter, ValidationError

from flows.history.records import ROW_KINDS, Row, RowKind

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
# What the fast parser lets pass or cannot tell apart, and the strict one refuses or mends.
_DOUBTFUL = (b"NaN", b"Infinity")


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
    """The moment of a line; one after which there is hardly a later one cannot be in order."""
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
