"""What the store answers with and what it raises."""

import math
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
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
