"""What is printed: tables, lines and the live view of a search, on a terminal or into a file."""

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from textwrap import fill
from typing import Literal

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from flows.cli.event_lines import event_lines
from flows.cli.progress import (
    NOT_PROMOTED,
    Progress,
    advance,
    attempt_line,
    best_text,
    later,
    plain_line,
    rate_text,
    sparkline,
    spend_text,
    time_left_seconds,
    time_text,
)
from flows.clock import SystemClock
from flows.search.watching import Began, Happening, Lost, Notice, Settled
from flows.untrusted import for_log, for_terminal

FILE_WIDTH = 120
INDENT = "    "
GAP = 3
FOLDED_WIDTH = 12
"""The narrowest that a column of text may become."""
NAME_WIDTH = 32
"""Names, which have no spaces, are kept whole up to this width."""
CURVE = "best so far"


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
    """Print a table, columns of numbers to the right and whole, without what does not fit."""
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
    for header, cells in columns.items():
        justify: Literal["left", "right"] = "right" if _numbers(cells) else "left"
        whole = fits and (_numbers(cells) or _names(cells))
        table.add_column(Text(for_log(header)), justify=justify, overflow="fold", no_wrap=whole)
    for row in zip(*columns.values(), strict=True):
        table.add_row(*map(Text, row))
    _console().print(table)


@contextmanager
def watching(quiet: bool = False, as_json: bool = False) -> Iterator[Callable[[Happening], None]]:
    """Show a search while it runs: live on a terminal, else a line for each attempt."""
    if as_json:
        yield _print_events
    elif quiet:
        yield lambda _: None
    elif sys.stdout.isatty() and _console().is_terminal and not _console().is_dumb_terminal:
        with _LiveView() as view:
            yield view.show
    else:
        yield _PlainView().show


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


def _print_events(happening: Happening) -> None:
    for line in event_lines(happening):
        print_line(line)


class _PlainView:
    def __init__(self) -> None:
        self._progress = Progress()

    def show(self, happening: Happening) -> None:
        self._progress = advance(self._progress, happening)
        line = plain_line(self._progress, happening)
        if line is not None:
            print_line(for_log(line))


class _LiveView:
    """Redraws a few lines in place, the time as it goes; what is lost or said stays above them."""

    def __init__(self) -> None:
        self._progress = Progress()
        self._clock = SystemClock()
        self._since = self._clock.seconds()
        self._live = Live(
            console=_console(), refresh_per_second=4, transient=True, get_renderable=self._draw
        )

    def __enter__(self) -> "_LiveView":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, happening: Happening) -> None:
        if isinstance(happening, Began | Settled):
            self._since = self._clock.seconds()
        self._progress = advance(self._progress, happening)
        if isinstance(happening, Lost | Notice):
            line = plain_line(self._progress, happening)
            self._live.console.print(Text(for_log(line or "")))
        self._live.refresh()

    def _draw(self) -> Group:
        return _drawing(later(self._progress, self._clock.seconds() - self._since))


def _drawing(progress: Progress) -> Group:
    wanted = progress.config.budget.candidates if progress.config is not None else 0
    lines = [Text(f"{progress.experiment_id}  {progress.tried}/{wanted} candidates", no_wrap=True)]
    if progress.best is not None and best_text(progress.best):
        best = Text(best_text(progress.best), style="bold green", no_wrap=True)
        lines.append(best.append(f"  {for_log(progress.best.title)}", style="not bold default"))
    room = max(10, min(60, screen_width() - len(CURVE) - 2))
    lines.append(Text(f"{CURVE}  {sparkline(progress.curve, room)}", no_wrap=True))
    for row in progress.recent:
        style = "green" if row.improved else "" if row.outcome == "ok" else "red"
        style = "yellow" if row.standing in NOT_PROMOTED else style
        lines.append(Text(for_log(attempt_line(row)), style=style, no_wrap=True))
    for key, doing in progress.working.items():
        lines.append(Text(for_log(f"{key:>6}  {doing} ..."), style="dim", no_wrap=True))
    lines.append(Text(_footer(progress), style="dim"))
    return Group(*lines)


def _footer(progress: Progress) -> str:
    left = time_left_seconds(progress)
    parts = [
        time_text(progress.spend.seconds),
        f"about {time_text(left)} left" if left is not None else "",
        rate_text(progress),
        spend_text(progress.spend),
        f"{progress.lost} lost" if progress.lost else "",
    ]
    return "   ".join(part for part in parts if part)


def _console() -> Console:
    width = None if sys.stdout.isatty() else FILE_WIDTH
    return Console(width=width, highlight=False, soft_wrap=False)


def _least_width(columns: Mapping[str, Sequence[str]]) -> int:
    """Return how wide a table is at least, with whole numbers and folded text."""
    total = 0
    for header, cells in columns.items():
        natural = max(map(len, (header, *cells)))
        whole = _numbers(cells) or _names(cells)
        total += GAP + (natural if whole else min(FOLDED_WIDTH, natural))
    return total


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
