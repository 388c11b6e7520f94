"""``assay sql``, ``export``, ``db``, ``report`` and ``show``: questions to the history."""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from flows.cli.errors import BAD_INPUT, say
from flows.cli.terminal import print_exactly, print_line, print_table, screen_width
from flows.errors import UserError
from flows.history.check import CheckReport, check
from flows.history.export import export_parquet, render_table, text_table
from flows.history.store import (
    PLACE,
    Found,
    IngestReport,
    Table,
    copy_to_parquet,
    find_at,
    find_best,
    find_candidate,
    find_experiment,
    query,
    rebuild,
    vacuum,
)
from flows.home import home_folder, journal_folder
from flows.report.page import write_report
from sandbox.source import source_diff

NAMED = 6
"""Columns that are named of those that do not fit."""


def run_sql(
    statement: str,
    style: Literal["table", "json", "csv", "parquet"],
    out: Path | None,
    files: Path | None,
) -> int:
    """Print the answer to ``statement``, or write it to a file."""
    if style == "parquet":
        return _write_parquet(statement, out, files)
    table = query(home_folder(), statement, files=files)
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
    exported = export_parquet(home_folder(), folder)
    for note in exported.notes:
        _tell(note)
    print_line(f"the tables are in {folder}, listed in {exported.manifest}")
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


def _write_parquet(statement: str, out: Path | None, files: Path | None) -> int:
    if out is None:
        raise UserError("a Parquet file is binary: say where to write it with --out FILE")
    copied = copy_to_parquet(home_folder(), statement, out, files)
    for note in copied.notes:
        _tell(note)
    print_line(f"{copied.rows[out]} rows are in {out}")
    return 0


def rebuild_database(as_json: bool) -> int:
    """Rebuild the database from the journals and print how many lines were read."""
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
    """Compact the database, remove left-over files, and print the size before and after."""
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
    print_line(
        "the database matches the journals"
        if report.ok
        else "the database differs from the journals: see above, then run assay db rebuild"
    )


PARTS = ("source", "diff", "figures", "prompt", "reply")

_ATTEMPT = "SELECT * FROM candidates WHERE experiment_id = ? AND iteration = ? AND slot = ?"
_TRIES = """
SELECT split, scenario, coalesce(purpose, 'score') AS purpose, outcome, score,
    weighted_latency_seconds, TRY_CAST(metrics->>'pipelines_completed' AS BIGINT) AS completed,
    TRY_CAST(metrics->>'pipelines_arrived' AS BIGINT) AS arrived, problem, problem_line
FROM evaluations WHERE experiment_id = ? AND iteration = ? AND slot = ?
ORDER BY list_position(['train', 'validation', 'test'], split), attempt, scenario
"""
_PARENT = """
SELECT source, iteration, slot FROM candidates WHERE candidate = ? AND source IS NOT NULL
ORDER BY experiment_id = ? DESC, created_at, iteration, slot LIMIT 1
"""
_TESTS = """
SELECT message FROM events WHERE experiment_id = ? AND iteration = ? AND slot = ? AND kind = 'test'
ORDER BY sequence
"""
_PROMPT = "SELECT messages FROM prompts WHERE prompt_sha256 = ?"
_REPLY = """
SELECT model, outcome, reply, error FROM llm_calls
WHERE experiment_id = ? AND iteration = ? AND slot = ? ORDER BY attempt
"""


def show_candidate(candidate: str, experiment: str | None, only: str | None, as_json: bool) -> int:
    """Print one attempt, or the part ``only``; print the plain source outside a terminal."""
    home = home_folder()
    found = _find(home, candidate, experiment)
    known = _known(home, found)
    if as_json:
        print_line(json.dumps(known, default=str))
        return 0
    if only is not None:
        _print_only(only, known)
        return 0
    for line in (*_head(known["attempt"]), *(f"verdict: {each}" for each in known["tests"])):
        print_line(line)
    _print_figures("", known["evaluations"])
    for title in ("source", "diff", "prompt", "reply"):
        text = _part(title, known)
        if text.strip():
            print_line(f"\n--- {title} ---")
            print_line(text.rstrip("\n"))
    return 0


def _find(home: Path, name: str, experiment: str | None) -> Found:
    where = find_experiment(home, experiment)
    if where is None:
        missing = f"no experiment {experiment!r}" if experiment else "no experiment yet"
        raise UserError(f"there is {missing} in {home}: start one with assay run")
    found = None
    place = PLACE.fullmatch(name)
    if name == "best":
        found = find_best(home, where)
    elif place is not None:
        found = find_at(home, where, int(place[1]), int(place[2]))
    else:
        found = find_candidate(home, name.lower(), where if experiment else None)
    if found is None:
        there = where if experiment or place else home
        raise UserError(
            f"{name!r} names no attempt of {there}: give the first "
            "characters of a candidate's sha256 (4 or more), a place such as 3/0, or best; "
            'assay sql "from leaderboard" lists them'
        )
    return found


def _known(home: Path, found: Found) -> dict[str, Any]:
    place = [found.experiment_id, found.iteration, found.slot]
    attempt = _dicts(home, _ATTEMPT, place)[0]
    prompts = _dicts(home, _PROMPT, [attempt["prompt_sha256"]])
    return {
        "attempt": attempt,
        "evaluations": _dicts(home, _TRIES, place),
        "tests": [row["message"] for row in _dicts(home, _TESTS, place)],
        "parents": [
            {"candidate": parent, **row}
            for parent in attempt["parents"] or ()
            for row in _dicts(home, _PARENT, [parent, found.experiment_id])
        ],
        "prompt": json.loads(prompts[0]["messages"]) if prompts else [],
        "replies": _dicts(home, _REPLY, place),
    }


def _dicts(home: Path, sql: str, params: Sequence[Any]) -> list[dict[str, Any]]:
    table = query(home, sql, params)
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def _head(attempt: dict[str, Any]) -> Iterator[str]:
    yield f"{attempt['title']}  ({_place(attempt)})"
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
        + ("on validation (1.0 is naive)")
    )
    if attempt["standing"]:
        yield f"standing: {attempt['standing']}: {attempt['standing_detail'] or ''}".rstrip(": ")


def _print_only(part: str, known: dict[str, Any]) -> None:
    """Print one part, a text verbatim; report on standard error if it is missing."""
    place = _place(known["attempt"])
    text = _part(part, known)
    if part == "figures" and known["evaluations"]:
        title = f"figures of {place}: {known['attempt']['title']}"
        _print_figures(title, known["evaluations"])
    elif text.strip():
        bare = part == "source" and not sys.stdout.isatty()
        (print_exactly if bare else print_line)(text.rstrip("\n"))
    else:
        say(f"assay: {place} has no {part}")


def _print_figures(title: str, tries: Sequence[dict[str, Any]]) -> None:
    if tries:
        headers = ("split", "scenario", "try", "outcome", "score", "completed", "latency, s")
        print_table(title, headers, [_cells(each) for each in tries], ("completed", "try"))
    for each in tries:
        if each["problem"]:
            print_line(f"{each['scenario']}: {each['problem']}")


def _cells(each: dict[str, Any]) -> tuple[str, ...]:
    latency, completed = each["weighted_latency_seconds"], each["completed"]
    return (
        each["split"],
        each["scenario"],
        each["purpose"],
        each["outcome"],
        "" if each["score"] is None else f"{each['score']:.4f}",
        "" if completed is None else f"{completed}/{each['arrived']}",
        "" if latency is None else f"{latency:.2f}",
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
    old_name = f"{parent['candidate'][:12]} ({parent['iteration']}/{parent['slot']})"
    new_name = f"{(attempt['candidate'] or '')[:12]} ({attempt['iteration']}/{attempt['slot']})"
    return source_diff(parent["source"], attempt["source"] or "", old_name, new_name)


def _reply(call: dict[str, Any]) -> str:
    return f"[{call['model']}: {call['outcome']}]\n{call['reply'] or call['error'] or ''}"


def _place(attempt: dict[str, Any]) -> str:
    return f"{attempt['iteration']}/{attempt['slot']} of {attempt['experiment_id']}"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"
