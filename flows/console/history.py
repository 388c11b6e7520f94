"""``assay sql``, ``assay report`` and ``assay export``: questions to the history."""

from pathlib import Path
from typing import Literal

from flows.console.errors import say
from flows.console.terminal import print_line
from flows.errors import UserError
from flows.history.export import export_parquet, render_table
from flows.history.lookup import find_experiment
from flows.history.store import copy_to_parquet, query
from flows.home import home_folder
from flows.report.writing import write_report


def run_sql(
    statement: str, style: Literal["table", "json", "csv", "parquet"], out: Path | None
) -> int:
    """Print the answer to ``statement``, or write it to a file."""
    if style == "parquet":
        return _write_parquet(statement, out)
    table = query(home_folder(), statement)
    for note in table.notes:
        say(f"assay: {note}")
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


def _write_parquet(statement: str, out: Path | None) -> int:
    if out is None:
        raise UserError("a Parquet file is binary: say where to write it with --out FILE")
    rows = copy_to_parquet(home_folder(), statement, out)
    print_line(f"{rows} rows are in {out}")
    return 0
