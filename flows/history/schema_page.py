"""The reference page of the history's tables and views, written from the comments in the schema.

``python -m flows.history.schema_page > docs/history-schema.md`` writes the page that ships.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from flows.history.records import ROW_KINDS
from flows.history.store import query

_HEAD = """\
# The history, column by column

`assay sql` and every other DuckDB client see these tables and views. Units are part of a name or
of its description; all times are UTC. JSON columns take `->` and `->>`; text that came from a
policy or a model (`problem`, `prints`, `reply`, `source`) is untrusted. How to ask is in
[the cookbook](sql-cookbook.md).

This page is written from the schema by `python -m flows.history.schema_page`.
"""

_COLUMNS = """
SELECT table_name, column_name, data_type, comment FROM duckdb_columns()
WHERE schema_name = ? AND database_name = current_database() ORDER BY table_oid, column_index
"""

_COMMENTS = """
SELECT table_name, comment FROM duckdb_tables() WHERE database_name = current_database()
UNION ALL
SELECT view_name, comment FROM duckdb_views() WHERE database_name = current_database()
"""


def schema_page(home: Path) -> str:
    """The page, from the schema of a home folder's history."""
    comments = dict(query(home, _COMMENTS).rows)
    public = _by_table(home, "main")
    tables = {kind.table for kind in ROW_KINDS}
    views = [name for name in public if name not in tables]
    parts = [_HEAD, "## Tables\n"]
    parts += [_section(name, comments[name], public[name]) for name in public if name in tables]
    parts.append("## Views\n")
    parts += [_section(name, comments[name], public[name]) for name in views]
    parts.append(
        "## Bookkeeping\n\nHow far the journals have been read, in the schema `bookkeeping`.\n"
    )
    for name, columns in _by_table(home, "bookkeeping").items():
        parts.append(_section(f"bookkeeping.{name}", comments[name], columns))
    return "\n".join(parts)


def _by_table(home: Path, schema: str) -> dict[str, list[tuple[str, str, str]]]:
    found: dict[str, list[tuple[str, str, str]]] = {}
    for table, column, sql_type, comment in query(home, _COLUMNS, [schema]).rows:
        found.setdefault(table, []).append((column, sql_type, comment or ""))
    return found


def _section(name: str, comment: str, columns: list[tuple[str, str, str]]) -> str:
    rows = [f"| `{column}` | {sql_type} | {meaning} |" for column, sql_type, meaning in columns]
    head = [f"### {name}", "", comment, "", "| column | type | meaning |", "|---|---|---|"]
    return "\n".join([*head, *rows, ""])


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        sys.stdout.write(schema_page(Path(folder)))
