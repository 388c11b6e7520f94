"""Results for people and other programs: text, JSON, CSV, and Parquet files."""

import csv
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, assert_never

from flows.errors import UserError
from flows.history.records import ROW_KINDS
from flows.history.schema import migrations
from flows.history.store import Table, copy_tables_to_parquet, ingest
from flows.history.store_values import plain
from flows.history.text_table import text_table
from flows.untrusted import for_csv, for_json
from flows.version import assay_version

Format = Literal["table", "json", "csv"]


class ExportError(UserError):
    """The files cannot be written."""


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


def export_parquet(
    home: Path, folder: Path, tell: Callable[[str], object] = lambda note: None
) -> Path:
    """Write every table as a Parquet file, and a manifest that names them; returns the manifest.

    All tables are of one moment, also while searches go on. ``tell`` takes what a person should
    know about them.
    """
    notes = ingest(home).notes
    try:
        folder.mkdir(parents=True, exist_ok=True)
        drafts = {kind.table: folder / f"{kind.table}.parquet.new" for kind in ROW_KINDS}
        copied = copy_tables_to_parquet(home, drafts.items)
        for note in (*notes, *copied.notes):
            tell(note)
        entries = [_entry(name, drafts[name], rows) for name, rows in copied.rows.items()]
        manifest = folder / "manifest.json"
        draft = manifest.with_name("manifest.json.new")
        facts = {
            "assay_version": assay_version(),
            "schema": migrations()[-1].name,
            "recorded_until": plain(copied.recorded_until),
        }
        text = json.dumps({**facts, "tables": entries}, indent=2)
        draft.write_text(text + "\n", encoding="utf-8")
        return draft.replace(manifest)
    except OSError as problem:
        raise ExportError(
            f"cannot write to {folder}: {problem.strerror}; name a folder that can be written"
        ) from problem


def _entry(name: str, draft: Path, rows: int) -> dict[str, Any]:
    path = draft.replace(draft.with_suffix(""))
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = path.stat().st_size
    return {"table": name, "file": path.name, "rows": rows, "size_bytes": size, "sha256": digest}


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
