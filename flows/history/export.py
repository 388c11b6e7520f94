"""Results for people and other programs: text, JSON, CSV, and Parquet files."""

import csv
import hashlib
import io
import json
import math
import unicodedata
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, assert_never

from flows.errors import UserError
from flows.history.records import ROW_KINDS
from flows.history.schema import migrations
from flows.history.store import Table, copy_to_parquet, ingest
from flows.version import assay_version

Format = Literal["table", "json", "csv"]

MAX_CELL_CHARACTERS = 60


class ExportError(UserError):
    """The files cannot be written."""


def render_table(table: Table, output: Format) -> str:
    """A result as text: a table for reading, JSON (a list of objects), or CSV with a header."""
    match output:
        case "table":
            return _as_text(table)
        case "json":
            return json.dumps(records(table), indent=2, ensure_ascii=False, allow_nan=False)
        case "csv":
            return _as_csv(table)
        case _:
            assert_never(output)


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


def export_parquet(home: Path, folder: Path) -> Path:
    """Write every table as a Parquet file, and a manifest that names them; returns the manifest."""
    ingest(home)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        entries = [_export_table(home, kind.table, folder) for kind in ROW_KINDS]
        manifest = folder / "manifest.json"
        draft = manifest.with_name("manifest.json.new")
        facts = {"assay_version": assay_version(), "schema": migrations()[-1].name}
        text = json.dumps({**facts, "tables": entries}, indent=2)
        draft.write_text(text + "\n", encoding="utf-8")
        return draft.replace(manifest)
    except OSError as problem:
        raise ExportError(
            f"cannot write to {folder}: {problem.strerror}; name a folder that can be written"
        ) from problem


def _export_table(home: Path, name: str, folder: Path) -> dict[str, Any]:
    path = folder / f"{name}.parquet"
    draft = path.with_name(f"{path.name}.new")
    rows = copy_to_parquet(home, f"SELECT * FROM {name} ORDER BY ALL", draft, refresh=False)
    draft.replace(path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = path.stat().st_size
    return {"table": name, "file": path.name, "rows": rows, "size_bytes": size, "sha256": digest}


def _as_text(table: Table) -> str:
    if not table.columns:
        return "(done: the statement gives no rows)"
    heads = [_printable(name) for name in table.columns]
    body = [[_cell_text(value) for value in row] for row in table.rows]
    widths = [max(_width(row[i]) for row in [heads, *body]) for i in range(len(heads))]
    right = [_is_number(sql_type) for sql_type in table.types]
    lines = [_line(heads, widths, right), "  ".join("-" * width for width in widths)]
    lines += [_line(row, widths, right) for row in body]
    lines.append(f"({len(body)} row{'' if len(body) == 1 else 's'})")
    return "\n".join(lines)


def _line(cells: list[str], widths: list[int], right: list[bool]) -> str:
    padded = [
        " " * (width - _width(cell)) + cell if to_right else cell + " " * (width - _width(cell))
        for cell, width, to_right in zip(cells, widths, right, strict=True)
    ]
    return "  ".join(padded).rstrip()


def _cell_text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < 1e6 else f"{value:.1f}"
    plain = _plain(value)
    text = plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
    text = _printable(text)
    if len(text) <= MAX_CELL_CHARACTERS:
        return text
    return text[: MAX_CELL_CHARACTERS - 1] + "…"


def _printable(text: str) -> str:
    """One line without characters that would move the cursor or turn the direction of writing."""
    text = " ".join(text.split())
    return "".join("�" if unicodedata.category(c) in {"Cc", "Cf", "Cs"} else c for c in text)


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in {"W", "F"} else 1 for c in text)


def _is_number(sql_type: str) -> bool:
    return sql_type.startswith(("BIGINT", "INTEGER", "DOUBLE", "FLOAT", "HUGEINT", "DECIMAL"))


def _as_csv(table: Table) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.columns)
    for row in table.rows:
        writer.writerow([_csv_cell(value) for value in row])
    return text.getvalue()


def _csv_cell(value: Any) -> Any:
    plain = _plain(value)
    return json.dumps(plain) if isinstance(plain, dict | list) else plain


def _decoded(value: Any, sql_type: str) -> Any:
    if sql_type == "JSON" and isinstance(value, str):
        return json.loads(value)
    return _plain(value)


def _plain(value: Any) -> Any:
    """A value of Python's DuckDB client as JSON knows it."""
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
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case bytes():
            return value.hex()
        case _:
            return str(value)


def _unique(names: tuple[str, ...]) -> list[str]:
    """Column names made different, as DuckDB does: the second ``x`` is ``x_1``."""
    taken: dict[str, int] = {}
    unique: list[str] = []
    for name in names:
        count = taken.get(name, 0)
        taken[name] = count + 1
        unique.append(f"{name}_{count}" if count else name)
    return unique
