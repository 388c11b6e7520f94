"""What the store answers with and what it raises."""

from dataclasses import dataclass
from typing import Any

from flows.errors import UserError


class StoreError(UserError):
    """The history cannot be read or brought up to date; the message says what to do."""


class HistoryTooNewError(StoreError):
    """A newer assay, or a newer DuckDB, wrote the database."""


class QueryError(StoreError):
    """A query that DuckDB refuses, in its words, or that would write."""


class UnwritableError(StoreError):
    """The home folder cannot be written; what was published before can still be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The result of a query. JSON values are text, as DuckDB gives them."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    notes: tuple[str, ...] = ()
    """What a person should know about the freshness of the answer."""
