"""Which statements only read: what a person types into ``assay sql`` may change no file at all."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from flows.history.database import Connection, DatabaseError

SETTINGS: Final = (
    "Calendar",
    "TimeZone",
    "default_collation",
    "default_null_order",
    "default_order",
    "explain_output",
    "ieee_floating_point_ops",
    "integer_division",
    "max_expression_depth",
    "memory_limit",
    "pivot_limit",
    "preserve_insertion_order",
    "scalar_subquery_error_on_multiple_rows",
    "schema",
    "search_path",
    "threads",
)
"""What a query may set: how an answer looks and is computed, nothing that names a file."""

_READING = frozenset({"SELECT", "CALL", "SET", "VARIABLE_SET"})
_ANSWERING = frozenset({"SELECT", "EXPLAIN", "CALL", "PRAGMA", "MULTI"})
_PRAGMAS = frozenset(
    {
        "collations",
        "database_list",
        "database_size",
        "functions",
        "metadata_info",
        "platform",
        "show",
        "show_databases",
        "show_tables",
        "show_tables_expanded",
        "storage_info",
        "table_info",
        "user_agent",
        "version",
    }
)
# Comments within comments are not followed: what stands behind them is refused.
_COMMENTS = r"(?:\s|--[^\n]*(?:\n|$)|/\*(?:(?!\*/|/\*).)*\*/)*"
_PRAGMA = re.compile(rf"{_COMMENTS}PRAGMA\s+(\w+)", re.DOTALL | re.IGNORECASE)
_EXPLAIN = re.compile(
    rf"{_COMMENTS}EXPLAIN\b\s*(?:ANALYZE\b\s*)?(?:\(\s*(?:ANALYZE|FORMAT)\b[^()]*\)\s*)?",
    re.DOTALL | re.IGNORECASE,
)
# A PIVOT comes as several statements in one; whatever else does may hold another kind.
_PIVOT = re.compile(rf"{_COMMENTS}(?:FROM|PIVOT|PIVOT_WIDER|SELECT|WITH)\b", re.DOTALL | re.I)
# How DuckDB's own parser names a COPY, INSERT and the like in a WITH; texts have their quotes
# escaped, so that no text of a query looks so.
_WRITING_NODE = re.compile(r'"type":"([A-Z]+)_QUERY_NODE"')


def keep_settings(connection: Connection) -> None:
    """Fix the settings of a connection on which a person asks, but for harmless ones.

    So nothing turns on profiles and logs that are written to a file of the person's choice.
    """
    names = ", ".join(f"'{name}'" for name in SETTINGS)
    connection.execute(f"SET allowed_configs = [{names}]")
    connection.execute("SET lock_configuration = true")


def writing_kind(connection: Connection, statements: Sequence[Any]) -> str | None:
    """What the first statement that may change something does, in DuckDB's word."""
    return next((kind for each in statements for kind in _writes(connection, each)), None)


def answers(statements: Sequence[Any]) -> int:
    """How many of the statements give rows; settings do not."""
    return sum(_kind(statement) in _ANSWERING for statement in statements)


def _writes(connection: Connection, statement: Any) -> Iterator[str]:
    kind, text = _kind(statement), statement.query
    if kind == "EXPLAIN":
        yield from _explained_writes(connection, text)
    elif kind == "PRAGMA":
        named = _PRAGMA.match(text)
        if named is None or named[1].lower() not in _PRAGMAS:
            yield f"PRAGMA {named[1]}" if named else kind
    elif kind == "MULTI":
        rest = text[found.end() :] if (found := _EXPLAIN.match(text)) else text
        if _PIVOT.match(rest) is None or "copy" in text.lower():
            yield "what is not a plain PIVOT (or has the word copy in it)"
    elif kind == "SELECT":
        yield from _written_within(connection, text)
    elif kind not in _READING:
        yield kind


def _explained_writes(connection: Connection, text: str) -> Iterator[str]:
    """EXPLAIN ANALYZE does what it explains: only a query may stand there."""
    found = _EXPLAIN.match(text)
    if found is None:
        yield "EXPLAIN"
        return
    try:
        inner = connection.extract_statements(text[found.end() :])
    except DatabaseError:
        yield "EXPLAIN"
        return
    if len(inner) != 1 or _kind(inner[0]) != "SELECT":
        yield f"EXPLAIN {_kind(inner[0])}" if inner else "EXPLAIN"
    else:
        yield from _written_within(connection, inner[0].query)


def _written_within(connection: Connection, text: str) -> Iterator[str]:
    """A SELECT may begin with ``WITH x AS (COPY ...)``, which writes a file."""
    found = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [text]).fetchall()[0][0]
    if '"error":true' in found[:20] and "copy" in text.lower():
        yield "a query with the word copy that DuckDB cannot take apart"
    yield from _WRITING_NODE.findall(found)


def _kind(statement: Any) -> str:
    try:
        return str(statement.type.name)
    except ValueError:  # a kind that DuckDB's client for Python has no name for
        return "this statement"
