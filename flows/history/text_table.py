"""An answer of the database as a table for reading, with the columns that fit where it is read."""

import json
import unicodedata
from itertools import accumulate
from typing import Any

from flows.history.store import Table
from flows.history.store_values import plain
from flows.untrusted import on_one_line

MAX_CELL_CHARACTERS = 60
SHORT_CELL = 32
"""Characters of a text where whole ones leave no room for all columns."""
GAP = 2
NO_ROWS = "(done: the statement gives no rows)"


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


def _fitting(widths: list[int], room: int | None) -> int:
    """Return how many of the columns fit on a line."""
    ends = accumulate(width + GAP for width in widths)
    return sum(room is None or end - GAP <= room for end in ends)


def _padded(cells: list[str], width: int, to_right: bool) -> list[str]:
    spaces = [" " * (width - _width(cell)) for cell in cells]
    pairs = zip(spaces, cells, strict=True)
    return [space + cell if to_right else cell + space for space, cell in pairs]


def _cell_text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < 1e6 else f"{value:.1f}"
    simple = plain(value)
    text = simple if isinstance(simple, str) else json.dumps(simple, ensure_ascii=False)
    return _cut(on_one_line(text), MAX_CELL_CHARACTERS)


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
