"""What is printed: lines and tables, on a terminal or into a file."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Literal

from flows.untrusted import for_log, for_terminal

if TYPE_CHECKING:
    from rich.console import Console

FILE_WIDTH = 120
INDENT = "    "
GAP = 3
FOLDED_WIDTH = 12
"""The narrowest that a column of text may become."""
NAME_WIDTH = 32
"""Names, which have no spaces, are kept whole up to this width."""


def print_line(text: str = "") -> None:
    """Print a line, or several, to standard output; a policy's words in it can do nothing."""
    print_exactly(for_terminal(text))


def print_exactly(text: str) -> None:
    """Print what another program reads: JSON, CSV, or a policy's source into a file."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def print_prose(text: str) -> None:
    """Print a sentence, broken between words on a terminal; in a file it stays one line."""
    if sys.stdout.isatty():
        text = fill(text, screen_width(), break_long_words=False, break_on_hyphens=False)
    print_line(text)


def print_table(
    title: str,
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    expendable: Sequence[str] = (),
) -> None:
    """Print a table, columns of numbers to the right and whole, without what does not fit.

    On a narrow screen, long headers are folded before names and other texts are.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(for_log(title)), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    columns = {
        header: [for_log(row[place]) for row in rows] for place, header in enumerate(headers)
    }
    for header in expendable:
        if _least_width(columns) > screen_width():
            del columns[header]
    fits = _least_width(columns) <= screen_width()
    shown = _folded_headers(columns) if fits else dict(zip(columns, columns, strict=True))
    for header, cells in columns.items():
        justify: Literal["left", "right"] = "right" if _numbers(cells) else "left"
        whole = fits and (_numbers(cells) or _names(cells))
        head = Text("\n").join(Text(for_log(line)) for line in shown[header].split("\n"))
        table.add_column(head, justify=justify, overflow="fold", no_wrap=whole)
    for row in zip(*columns.values(), strict=True):
        table.add_row(*map(Text, row))
    console().print(table)


def excerpt(line: str, column: int = 0) -> str:
    """Return one line of a policy, safe to print and cut to the screen around ``column``."""
    text, room = for_log(line.strip()), max(20, screen_width() - len(INDENT))
    if len(text) <= room:
        return INDENT + text
    begin = max(0, min(column - room // 2, len(text) - room))
    shown = text[begin : begin + room]
    head = "…" if begin > 0 else ""
    tail = "…" if begin + room < len(text) else ""
    return f"{INDENT}{head}{shown[len(head) : room - len(tail)]}{tail}"


def screen_width() -> int:
    """Return how many characters fit on a line of standard output."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else FILE_WIDTH


def console() -> "Console":
    from rich.console import Console

    width = None if sys.stdout.isatty() else FILE_WIDTH
    return Console(width=width, highlight=False, soft_wrap=False)


def _least_width(columns: Mapping[str, Sequence[str]]) -> int:
    """Return how wide a table is at least, with whole numbers, folded headers and folded text."""
    return sum(GAP + _least(header, cells) for header, cells in columns.items())


def _least(header: str, cells: Sequence[str]) -> int:
    natural = max(map(len, (*header.split(), *cells)), default=0)
    whole = _numbers(cells) or _names(cells)
    return natural if whole else min(FOLDED_WIDTH, natural)


def _folded_headers(columns: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the headers, those that make the table too wide folded between words.

    Text that has room enough when it is folded goes first: it can be narrow.
    """
    shown = {header: header for header in columns}

    def width() -> int:
        return sum(
            GAP + max(_least(header, cells), *map(len, shown[header].split("\n")))
            for header, cells in columns.items()
        )

    for header in sorted(columns, key=lambda each: _least(each, columns[each]) - len(each)):
        if width() <= screen_width():
            break
        shown[header] = fill(header, _least(header, columns[header]), break_long_words=False)
    return shown


def _numbers(cells: Sequence[str]) -> bool:
    return any(cells) and all(_numeric(cell) for cell in cells if cell)


def _names(cells: Sequence[str]) -> bool:
    return all(" " not in cell and len(cell) <= NAME_WIDTH for cell in cells)


def _numeric(text: str) -> bool:
    try:
        float(text.replace("/", " ").partition(" ")[0].removesuffix("%"))
    except ValueError:
        return False
    return True
