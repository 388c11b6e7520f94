"""``assay sql``, ``assay report`` and ``assay export``: questions to the history."""

import sys
from pathlib import Path
from typing import Literal

from flows.cli.errors import say
from flows.cli.terminal import print_exactly, print_line, screen_width
from flows.errors import UserError
from flows.history.export import export_parquet, render_table
from flows.history.lookup import find_experiment
from flows.history.store import Table, copy_to_parquet, query
from flows.history.text_table import text_table
from flows.home import home_folder
from flows.report.page import write_report

NAMED = 6
"""Columns that are named of those that do not fit."""


def run_sql(
    statement: str, style: Literal["table", "json", "csv", "parquet"], out: Path | None
) -> int:
    """Print the answer to ``statement``, or write it to a file."""
    if style == "parquet":
        return _write_parquet(statement, out)
    table = query(home_folder(), statement)
    for note in table.notes:
        _tell(note)
    if out is None and style == "table" and sys.stdout.isatty():
        _print_fitting(table)
        return 0
    text = render_table(table, style).rstrip("\n")
    if out is None:
        print_exactly(text)
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
    manifest = export_parquet(home_folder(), folder, _tell)
    print_line(f"the tables are in {folder}, listed in {manifest}")
    return 0


def _tell(note: str) -> None:
    say(f"assay: {note}")


def _print_fitting(table: Table) -> None:
    text, count = text_table(table, screen_width())
    print_line(text)
    left = table.columns[count:]
    if left:
        how_many = f"{len(left)} more column{'s do' if left[1:] else ' does'}"
        print_line(
            f"{how_many} not fit here: {', '.join(left[:NAMED])}"
            f"{', ...' if left[NAMED:] else ''}; name those that you want, or add --format json"
        )


def _write_parquet(statement: str, out: Path | None) -> int:
    if out is None:
        raise UserError("a Parquet file is binary: say where to write it with --out FILE")
    rows = copy_to_parquet(home_folder(), statement, out, tell=_tell)
    print_line(f"{rows} rows are in {out}")
    return 0
