"""``assay db``: looks after the database of the history, which the journals can always remake."""

import json
import time
from dataclasses import asdict
from pathlib import Path

from flows.cli.errors import BAD_INPUT, say
from flows.cli.terminal import print_line, print_table
from flows.errors import UserError
from flows.history.check import CheckReport, check
from flows.history.store import IngestReport, rebuild, vacuum
from flows.home import home_folder, journal_folder


def rebuild_database(as_json: bool) -> int:
    """Make the database anew from the journals and say how many rows that gave."""
    home = _home_with_history()
    began = time.monotonic()
    report = rebuild(home)
    seconds = round(time.monotonic() - began, 3)
    if as_json:
        print_line(json.dumps(_rebuilt(report, seconds)))
        return 0
    for note in report.notes:
        say(f"assay: {note}")
    print_line(
        f"read {report.lines} journal lines in {seconds:.1f} s, {len(report.skipped)} gave no row"
    )
    return 0


def check_database(as_json: bool) -> int:
    """Compare the database with the journals; return 2 when anything is wrong."""
    report = check(home_folder())
    if as_json:
        print_line(json.dumps(report.to_mapping()))
    else:
        _show(report)
    return 0 if report.ok else BAD_INPUT


def vacuum_database(as_json: bool) -> int:
    """Write the database anew, remove left-over files, and say what that freed."""
    report = vacuum(_home_with_history())
    if as_json:
        print_line(json.dumps(asdict(report)))
        return 0
    for note in report.notes:
        say(f"assay: {note}")
    for name in report.removed:
        print_line(f"removed {name}")
    before, after = (n / 1e6 for n in (report.bytes_before, report.bytes_after))
    print_line(
        f"the database took {before:.1f} MB and takes {after:.1f} MB; journals are untouched"
    )
    return 0


def _home_with_history() -> Path:
    home = home_folder()
    if not journal_folder(home).is_dir():
        raise UserError(
            f"there is no history in {home}: start a search with assay run, or set ASSAY_HOME"
        )
    return home


def _rebuilt(report: IngestReport, seconds: float) -> dict[str, object]:
    return {
        "lines": report.lines,
        "skipped": [asdict(line) for line in report.skipped],
        "notes": list(report.notes),
        "seconds": seconds,
    }


def _show(report: CheckReport) -> None:
    rows = [(t.table, str(t.rows), str(t.missing), str(t.extra)) for t in report.tables]
    print_table("the history", ("table", "rows", "missing", "extra"), rows)
    print_line(
        f"{report.lines} lines in {report.journals} journals, {report.superseded} of them replaced "
        "by later ones"
    )
    for note in report.notes:
        print_line(f"note: {note}")
    for problem in report.problems:
        print_line(f"WRONG: {problem}")
    print_line("all is well" if report.ok else "the history is not as its journals say: see above")
