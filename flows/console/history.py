"""``assay sql``, ``assay report`` and ``assay export``: questions to the history."""

import sys
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Literal

from flows.console.errors import say
from flows.console.terminal import print_line, screen_width
from flows.errors import UserError
from flows.history.export import export_parquet, render_table
from flows.history.lookup import find_experiment
from flows.history.store import Table, copy_to_parquet, query
from flows.home import home_folder
from flows.report.writing import write_report

GAP = 2
"""Between two columns of an answer."""
SHORT_CELL = 32
NAMED = 6


def run_sql(
    statement: str, style: Literal["table", "json", "csv", "parquet"], out: Path | None
) -> int:
    """Print the answer to ``statement``, or write it to a file."""
    if style == "parquet":
        return _write_parquet(statement, out)
    table = query(home_folder(), statement)
    for note in table.notes:
        say(f"assay: {note}")
    if out is None and style == "table" and sys.stdout.isatty():
        _print_fitting(table)
        return 0
    text = render_table(table, style).rstrip("\n")
    if out is None:
        print_line(text)
        return 0
    try:
        out.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror}") from None
    print_line(f"{len(table.rows)} rows are in {out}")
    return 0


def make_report(experiment: str | None, out: Path | None) -> int:
    """Write the page of one experiment, the newest of its name or of all, and print its path."""
    home = home_folder()
    experiment = find_experiment(home, experiment) or experiment
    if experiment is None:
        raise UserError(f"there is no experiment in {home} yet: start one with assay run")
    print_line(str(write_report(home, experiment, out)))
    return 0


def export_history(folder: Path) -> int:
    """Write every table as a Parquet file."""
    manifest = export_parquet(home_folder(), folder)
    print_line(f"the tables are in {folder}, listed in {manifest}")
    return 0


def _print_fitting(table: Table) -> None:
    shown = _fitting(table, screen_width())
    print_line(render_table(shown, "table").rstrip("\n"))
    left = table.columns[len(shown.columns) :]
    if left:
        print_line(
            f"{len(left)} more columns do not fit here: {', '.join(left[:NAMED])}"
            f"{', ...' if left[NAMED:] else ''}; name those that you want, or add --format json"
        )


def _fitting(table: Table, room: int) -> Table:
    """Return what fits on a line of the screen: texts cut short, then the first columns alone."""
    if _columns_on(table, room) < len(table.columns):
        cut = tuple(tuple(_short(value) for value in row) for row in table.rows)
        table = replace(table, rows=cut)
    kept = max(1, _columns_on(table, room))
    return replace(
        table,
        columns=table.columns[:kept],
        types=table.types[:kept],
        rows=tuple(row[:kept] for row in table.rows),
    )


def _columns_on(table: Table, room: int) -> int:
    rule = render_table(table, "table").split("\n")[1]
    ends = accumulate(len(part) + GAP for part in rule.split(" " * GAP))
    return sum(end - GAP <= room for end in ends)


def _short(value: object) -> object:
    long = isinstance(value, str) and len(value) > SHORT_CELL
    return f"{value[: SHORT_CELL - 1]}…" if isinstance(value, str) and long else value


def _write_parquet(statement: str, out: Path | None) -> int:
    if out is None:
        raise UserError("a Parquet file is binary: say where to write it with --out FILE")
    rows = copy_to_parquet(home_folder(), statement, out)
    print_line(f"{rows} rows are in {out}")
    return 0
