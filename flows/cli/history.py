"""``assay sql``, ``export``, ``db``, ``report`` and ``show``: questions to the history."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from flows.cli.errors import BAD_INPUT, say
from flows.cli.options import FILE, FOLDER, complete_experiments
from flows.cli.progress import working
from flows.cli.terminal import print_exactly, print_line, print_prose, print_table, screen_width
from flows.errors import UserError
from flows.home import home_folder, journal_folder

if TYPE_CHECKING:
    from flows.history.check import CheckReport
    from flows.history.store import IngestReport, Table

PARTS = click.Choice(["source", "diff", "figures", "prompt", "reply"])


class _Statement(click.Command):
    """A command whose argument may begin with a comment in SQL, which looks like an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [f" {a}" if _begins_with_comment(a) else a for a in args])


def _begins_with_comment(argument: str) -> bool:
    return argument.startswith("-- ") or (argument.startswith("--") and "\n" in argument)


@click.command("sql", cls=_Statement)
@click.argument("statement")
@click.option(
    "--format",
    "style",
    type=click.Choice(["table", "json", "csv", "parquet"]),
    default="table",
    show_default=True,
    help="Format of the answer.",
)
@click.option("--out", type=FILE, metavar="FILE", help="Write to this file instead.")
@click.option("--files", type=FOLDER, metavar="DIR", help="Let the query read the files in DIR.")
def run_sql(
    statement: str,
    style: Literal["table", "json", "csv", "parquet"],
    out: Path | None,
    files: Path | None,
) -> int:
    """Answer a STATEMENT of SQL over the history, read-only.

    Tables and columns: assay docs history-schema. More questions: assay docs sql-cookbook.

    \b
      assay sql "from leaderboard limit 10"
      assay sql "select outcome, count(*) from evaluations group by 1"
      assay sql "from read_csv('data/mine.csv')" --files data
    """
    from flows.history.export import render_table
    from flows.history.store import query
    from simulator.errors import InputError
    from simulator.whole_files import write_text

    if style == "parquet":
        return _write_parquet(statement, out, files)
    with _reading("asking the history") as home:
        table = query(home, statement, files=files)
    _tell(table.notes)
    if out is None and style == "table" and sys.stdout.isatty():
        _print_fitting(table)
        return 0
    text = render_table(table, style).rstrip("\n")
    if out is None:
        print_exactly(text)
        return 0
    write_text(out, text + "\n", InputError)
    print_line(f"{len(table.rows)} rows are in {out}")
    return 0


@click.command("export")
@click.argument("folder", type=FOLDER)
def export_history(folder: Path) -> int:
    """Write the history's tables to FOLDER as Parquet files.

    \b
      assay export parquet-files
    """
    from flows.history.export import export_parquet
    from flows.history.journal import journal_files

    home = home_folder()
    with working("reading the journals", journal_files(home)) as told:
        exported = export_parquet(home, folder, told)
    _tell(exported.notes)
    print_line(f"the tables are in {folder}, listed in {exported.manifest}")
    return 0


@click.group(short_help="Check, rebuild or shrink the history's database.")
def db() -> None:
    """Check, rebuild or shrink the history's database; the journals are its source.

    \b
      assay db check        compare every row with the journals
      assay db rebuild      rebuild the database from the journals
      assay db vacuum       free unused space
    """


@db.command("check")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check_database(as_json: bool) -> int:
    """Compare every row with the journals.

    Damaged lines, lines of a newer assay and sources with a wrong sha256 are named too.

    \b
      assay db check
    """
    from flows.history.check import check

    with _reading("comparing the database with the journals") as home:
        report = check(home)
    if as_json:
        print_line(json.dumps(report.to_mapping()))
    else:
        _show(report)
    return 0 if report.ok else BAD_INPUT


@db.command("rebuild")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def rebuild_database(as_json: bool) -> int:
    """Rebuild the database from the journals.

    The old one is kept as old-build.duckdb in the home folder.

    \b
      assay db rebuild
    """
    from flows.history.store import rebuild

    _require_history()
    began = time.monotonic()
    with _reading("rebuilding the database") as home:
        report = rebuild(home)
    seconds = round(time.monotonic() - began, 3)
    if as_json:
        print_line(json.dumps(_rebuilt(report, seconds)))
        return 0
    _tell(report.notes)
    print_line(
        f"read {report.lines} journal lines in {seconds:.1f} s, {len(report.skipped)} gave no row"
    )
    return 0


@db.command("vacuum")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def vacuum_database(as_json: bool) -> int:
    """Free unused space in the database.

    Files that killed processes and rebuilds left are removed; journals are never touched.

    \b
      assay db vacuum
    """
    from flows.history.store import vacuum

    _require_history()
    with _reading("writing the database again") as home:
        report = vacuum(home)
    if as_json:
        print_line(json.dumps(asdict(report)))
        return 0
    _tell(report.notes)
    for name in report.removed:
        print_line(f"removed {name}")
    before, after = (n / 1e6 for n in (report.bytes_before, report.bytes_after))
    print_line(
        f"the database took {before:.1f} MB and takes {after:.1f} MB; journals are untouched"
    )
    return 0


@click.command("report", short_help="Write one HTML page about an experiment.")
@click.argument("experiment", required=False, shell_complete=complete_experiments)
@click.option("--out", type=FILE, metavar="HTML", help="Where to write the page.")
def make_report(experiment: str | None, out: Path | None) -> int:
    """Write one HTML page about an EXPERIMENT, its name or id; the newest if none is given.

    \b
      assay report
      assay report demo --out demo.html
    """
    from flows.history.store import answers, find_experiment
    from flows.report.page import write_report

    with _reading("reading the history for the page") as home:
        found = answers(home, lambda ask: find_experiment(ask, experiment)) or experiment
        if found is None:
            raise UserError(f"there is no experiment in {home} yet: start one with assay run")
        page = write_report(home, found, out)
    print_line(str(page))
    return 0


@click.command("show", short_help="Show an attempt: figures, source, diff, prompt, reply.")
@click.argument("candidate", default="best")
@click.option(
    "--experiment",
    metavar="NAME|ID",
    shell_complete=complete_experiments,
    help="Experiment to look in.  [default: the newest]",
)
@click.option(
    "--only",
    type=PARTS,
    help="Show this part only.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show_candidate(candidate: str, experiment: str | None, only: str | None, as_json: bool) -> int:
    """Show an attempt: figures, source, diff to its parents, prompt and reply.

    CANDIDATE is a name such as brisk-otter, a place such as 3/0, the beginning of a sha256, or the
    word best, which is the default: the attempt that the experiment promoted last.

    \b
      assay show
      assay show 12/0 --experiment night
      assay show 3fa9c1d2 --only source > mine.py
    """
    from flows.report.attempts import known_attempt

    with _reading("asking the history") as home:
        known = known_attempt(home, candidate, experiment)
    if as_json:
        print_line(json.dumps(known, default=str))
        return 0
    if only is not None:
        _print_only(only, known)
        return 0
    for line in (
        *_head(known),
        *known["prompt_size"],
        *_hosts(known["evaluations"]),
        *(f"verdict: {each}" for each in known["tests"]),
    ):
        print_prose(line)
    _print_figures("", known)
    for title in ("source", "diff", "prompt", "reply"):
        text = _part(title, known)
        if text.strip():
            print_line(f"\n--- {title} ---")
            print_line(text.rstrip("\n"))
    return 0


NAMED = 6
"""Columns that are named of those that do not fit."""


def _tell(notes: Sequence[str]) -> None:
    for note in notes:
        say(f"assay: {note}")


def _print_fitting(table: Table) -> None:
    from flows.history.export import text_table

    text, count = text_table(table, screen_width())
    print_line(text)
    left = table.columns[count:]
    if left:
        how_many = f"{len(left)} more column{'s do' if left[1:] else ' does'}"
        print_prose(
            f"{how_many} not fit here: {', '.join(left[:NAMED])}"
            f"{', ...' if left[NAMED:] else ''}; name those that you want, or add --format json"
        )


def _write_parquet(statement: str, out: Path | None, files: Path | None) -> int:
    from flows.history.store import copy_to_parquet

    if out is None:
        raise UserError("a Parquet file is binary: say where to write it with --out FILE")
    with _reading("asking the history") as home:
        copied = copy_to_parquet(home, statement, out, files)
    _tell(copied.notes)
    print_line(f"{copied.rows[out]} rows are in {out}")
    return 0


@contextmanager
def _reading(what: str) -> Iterator[Path]:
    """Give the home folder, and show how much of its journals has been read meanwhile."""
    from flows.history.journal import journal_files

    home = home_folder()
    with working(what, journal_files(home)):
        yield home


def _require_history() -> None:
    home = home_folder()
    if not journal_folder(home).is_dir():
        raise UserError(
            f"there is no history in {home}: start a search with assay run, or set ASSAY_HOME"
        )


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
    print_line(
        "the database matches the journals"
        if report.ok
        else "the database differs from the journals: see above, then run assay db rebuild"
    )


def _head(known: dict[str, Any]) -> Iterator[str]:
    attempt, reference, name = known["attempt"], known["reference"], known["name"]
    yield f"{name}  ({_place(attempt)})"
    if attempt["title"] not in ("", name):
        yield f"title: {attempt['title']}"
    yield f"how it differs: {known['difference']}"
    yield f"candidate: {attempt['candidate'] or 'none, the reply held no policy'}"
    made = attempt["origin"]
    if attempt["operator"] != made:
        made += f", {attempt['operator']}"
    parents = ", ".join(each[:12] for each in attempt["parents"] or ())
    yield f"made by: {made}" + (f", from {parents}" if parents else "")
    yield f"outcome: {attempt['outcome']}"
    if attempt["problem"]:
        line = f"line {attempt['problem_line']}: " if attempt["problem_line"] else ""
        yield f"problem: {line}{attempt['problem']}"
    if attempt["duplicate_of"]:
        yield f"the same as: {attempt['duplicate_of']}"
    yield (
        f"score: {_number(attempt['score'])} on train, {_number(attempt['validation_score'])} "
        + f"on validation (1.0 is {reference or 'the reference policy'})"
    )
    if attempt["standing"]:
        yield f"standing: {attempt['standing']}: {attempt['standing_detail'] or ''}".rstrip(": ")


def _hosts(tries: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield on which host the attempt was tried, or how many evaluations each of several had."""
    counts = Counter(each["host"] for each in tries if each["host"])
    several = len(counts) > 1
    named = [f"{host} ({count})" if several else host for host, count in sorted(counts.items())]
    if named:
        yield f"tried on: {', '.join(named)}"


def _print_only(part: str, known: dict[str, Any]) -> None:
    """Print one part, a text verbatim; report on standard error if it is missing."""
    place = _place(known["attempt"])
    text = _part(part, known)
    if part == "figures" and known["evaluations"]:
        title = f"figures of {place}: {known['name']}"
        _print_figures(title, known)
    elif text.strip():
        bare = part == "source" and not sys.stdout.isatty()
        (print_exactly if bare else print_line)(text.rstrip("\n"))
    else:
        say(f"assay: {place} has no {part}")


def _print_figures(title: str, known: dict[str, Any]) -> None:
    tries: list[dict[str, Any]] = known["evaluations"]
    if tries:
        labels = list(tries[0]["figures"])
        headers = ("split", "scenario", "try", "outcome", "score", "cost", *labels)
        print_table(title, headers, [_cells(each) for each in tries], (*labels, "try"))
    for each in tries:
        if each["problem"]:
            print_line(f"{each['scenario']}: {each['problem']}")
    figures: list[dict[str, Any]] = known["figures"]
    if figures:
        rows = [(_titled(each), *each["splits"].values()) for each in figures]
        print_table("", ("over the scenarios", *figures[0]["splits"]), rows)
    if known["costs"]:
        print_line("\nwhere the cost exceeds that of the best rival (train scenarios):")
        for line in known["costs"]:
            print_prose(f"- {line}")


def _titled(figure: dict[str, Any]) -> str:
    over = "" if figure["over"] == "mean" else f", {figure['over']}"
    guard = " (guard)" if figure["guard"] else ""
    return f"{figure['figure']}{over}{guard}"


def _cells(each: dict[str, Any]) -> tuple[str, ...]:
    cost, unit = each["cost"], each["cost_unit"] or ""
    return (
        each["split"],
        each["scenario"],
        each["purpose"],
        each["outcome"],
        "" if each["score"] is None else f"{each['score']:.4f}",
        "" if cost is None else f"{cost:.2f} {unit}".rstrip(),
        *each["figures"].values(),
    )


def _part(name: str, known: dict[str, Any]) -> str:
    match name:
        case "source":
            return known["attempt"]["source"] or ""
        case "diff":
            return "\n".join(_diff(known["attempt"], each) for each in known["parents"])
        case "prompt":
            return "\n\n".join(f"[{m['role']}]\n{m['content']}" for m in known["prompt"])
        case "reply":
            return "\n\n".join(_reply(each) for each in known["replies"])
        case _:  # figures are a table
            return ""


def _diff(attempt: dict[str, Any], parent: dict[str, Any]) -> str:
    from sandbox.source import source_diff

    old_name = f"{parent['candidate'][:12]} ({parent['iteration']}/{parent['slot']})"
    new_name = f"{(attempt['candidate'] or '')[:12]} ({attempt['iteration']}/{attempt['slot']})"
    return source_diff(parent["source"], attempt["source"] or "", old_name, new_name)


def _reply(call: dict[str, Any]) -> str:
    return f"[{call['model']}: {call['outcome']}]\n{call['reply'] or call['error'] or ''}"


def _place(attempt: dict[str, Any]) -> str:
    return f"{attempt['iteration']}/{attempt['slot']} of {attempt['experiment_id']}"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"
