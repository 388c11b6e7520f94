"""Results for people and other programs: text, JSON, CSV, and Parquet files."""

import csv
import hashlib
import io
import json
import math
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal, assert_never

from flows import assay_version
from flows.errors import UserError
from flows.history.ingest import INGEST_WAIT_SECONDS, SCHEMA_VERSION
from flows.history.records import ROW_KINDS
from flows.history.store import Table, copy_tables, refreshed
from flows.untrusted import for_csv, for_json, on_one_line
from simulator.whole_files import draft_folder, uninterrupted

Format = Literal["table", "json", "csv"]

MAX_CELL_CHARACTERS = 60
MAX_PAGE_CHARACTERS = 400
"""Of a cell on a page."""
SHORT_CELL = 32
"""Characters of a text where whole ones leave no room for all columns."""
GAP = 2
NO_ROWS = "(done: the statement gives no rows)"


class ExportError(UserError):
    """The files cannot be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """Where the manifest of an export is, and what a person should know about its freshness."""

    manifest: Path
    notes: tuple[str, ...] = ()


def render_table(table: Table, output: Format) -> str:
    """A result as text: a table for reading, JSON (a list of objects), or CSV with a header."""
    match output:
        case "table":
            return text_table(table)[0]
        case "json":
            document = json.dumps(records(table), indent=2, ensure_ascii=False, allow_nan=False)
            return for_json(document)
        case "csv":
            return _as_csv(table)
        case _:
            assert_never(output)


def text_table(table: Table, room: int | None = None) -> tuple[str, int]:
    """Return the table as text, and how many of its columns are there.

    Lines wider than ``room`` have their texts cut short, then lose their last columns.
    """
    if not table.columns:
        return NO_ROWS, 0
    right = [_is_number(sql_type) for sql_type in table.types]
    columns = [
        [on_one_line(name), *(_cell_text(row[place]) for row in table.rows)]
        for place, name in enumerate(table.columns)
    ]
    widths = [max(map(_width, cells)) for cells in columns]
    count = _fitting(widths, room)
    if count < len(columns):
        for place, cells in enumerate(columns):
            if widths[place] > SHORT_CELL and not right[place]:
                columns[place] = [cells[0], *map(_short, cells[1:])]
                widths[place] = max(map(_width, columns[place]))
        count = max(1, _fitting(widths, room))
    shown = [_padded(*each) for each in zip(columns[:count], widths, right, strict=False)]
    lines = [(" " * GAP).join(cells).rstrip() for cells in zip(*shown, strict=True)]
    lines.insert(1, (" " * GAP).join("-" * width for width in widths[:count]))
    lines.append(f"({len(table.rows)} row{'' if len(table.rows) == 1 else 's'})")
    return "\n".join(lines), count


def text_cells(table: Table) -> tuple[tuple[tuple[str, bool], ...], tuple[tuple[str, ...], ...]]:
    """Return columns, each a name and whether it holds numbers, and rows of short texts."""
    columns = tuple(
        (on_one_line(name), _is_number(sql_type))
        for name, sql_type in zip(table.columns, table.types, strict=True)
    )
    rows = (tuple(_cell_text(value, MAX_PAGE_CHARACTERS) for value in row) for row in table.rows)
    return columns, tuple(rows)


def records(table: Table) -> list[dict[str, Any]]:
    """A result as plain JSON-like objects: JSON columns decoded, moments as ISO 8601."""
    names = _unique(table.columns)
    return [
        {
            name: _decoded(value, sql_type)
            for name, sql_type, value in zip(names, table.types, row, strict=True)
        }
        for row in table.rows
    ]


def plain(value: Any) -> Any:
    """Return a value of Python's DuckDB client as JSON knows it."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            return float(value)
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case dict():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case bytes():
            return value.hex()
        case _:
            return str(value)


def export_parquet(
    home: Path,
    folder: Path,
    told: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Exported:
    """Write every table as a Parquet file, and a manifest that names them.

    All tables are of one moment, also while searches go on; they appear together. ``told`` is
    called with what is written, how many tables are done, and how many there are.
    """
    notes = refreshed(home, INGEST_WAIT_SECONDS)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with draft_folder(folder) as place:
            drafts = {
                f"FROM {kind.table} ORDER BY ALL": place / f"{kind.table}.parquet"
                for kind in ROW_KINDS
            }
            copied = copy_tables(home, drafts, told=told)
            facts = {
                "assay_version": assay_version(),
                "schema": SCHEMA_VERSION,
                "recorded_until": plain(copied.recorded_until),
                "tables": [_entry(draft, rows) for draft, rows in copied.rows.items()],
            }
            draft = place / "manifest.json"
            draft.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
            manifest = _appear(folder, [*drafts.values(), draft])
        return Exported(manifest=manifest, notes=(*notes, *copied.notes))
    except OSError as problem:
        raise ExportError(
            f"cannot write to {folder}: {problem.strerror}; name a folder that can be written"
        ) from problem


def _appear(folder: Path, drafts: Sequence[Path]) -> Path:
    """Put the files into the folder, the manifest last; return where that is.

    A process that is killed here leaves no manifest: where one is, the tables are those it names.
    """
    manifest = folder / drafts[-1].name
    with uninterrupted():
        manifest.unlink(missing_ok=True)
        for draft in drafts:
            draft.replace(folder / draft.name)
    return manifest


def _entry(path: Path, rows: int) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "table": path.stem,
        "file": path.name,
        "rows": rows,
        "size_bytes": path.stat().st_size,
        "sha256": digest,
    }


def _as_csv(table: Table) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(for_csv, table.columns))
    for row in table.rows:
        writer.writerow([_csv_cell(value) for value in row])
    return text.getvalue()


def _csv_cell(value: Any) -> Any:
    simple = plain(value)
    if isinstance(simple, dict | list):
        return json.dumps(simple)
    return for_csv(simple) if isinstance(simple, str) else simple


def _decoded(value: Any, sql_type: str) -> Any:
    if sql_type == "JSON" and isinstance(value, str):
        return json.loads(value)
    return plain(value)


def _unique(names: tuple[str, ...]) -> list[str]:
    """Column names made different, as DuckDB does: the second ``x`` is ``x_1``."""
    taken: dict[str, int] = {}
    unique: list[str] = []
    for name in names:
        count = taken.get(name, 0)
        taken[name] = count + 1
        unique.append(f"{name}_{count}" if count else name)
    return unique


def _fitting(widths: list[int], room: int | None) -> int:
    """Return how many of the columns fit on a line."""
    ends = accumulate(width + GAP for width in widths)
    return sum(room is None or end - GAP <= room for end in ends)


def _padded(cells: list[str], width: int, to_right: bool) -> list[str]:
    spaces = [" " * (width - _width(cell)) for cell in cells]
    pairs = zip(spaces, cells, strict=True)
    return [space + cell if to_right else cell + space for space, cell in pairs]


def _cell_text(value: Any, most: int = MAX_CELL_CHARACTERS) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < 1e6 else f"{value:.1f}"
    simple = plain(value)
    text = simple if isinstance(simple, str) else json.dumps(simple, ensure_ascii=False)
    return _cut(on_one_line(text), most)


def _short(text: str) -> str:
    return _cut(text, SHORT_CELL)


def _cut(text: str, characters: int) -> str:
    return text if len(text) <= characters else text[: characters - 1] + "…"


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(c) in {"W", "F"} else 1 for c in text)


def _is_number(sql_type: str) -> bool:
    return sql_type.startswith(("BIGINT", "INTEGER", "DOUBLE", "FLOAT", "HUGEINT", "DECIMAL"))
