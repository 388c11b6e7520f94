"""``assay sweep``: one search for each model, effort, strategy and seed, and one table of all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.cli import searches
from flows.cli.ending import Interruptible
from flows.cli.errors import LOST
from flows.cli.machine import check_cell
from flows.cli.options import (
    CONFIGURED_CELL,
    CONFIGURED_DOMAIN,
    FILE,
    SUITE,
)
from flows.cli.progress import working
from flows.cli.terminal import print_line, print_prose, print_table
from flows.errors import UserError
from flows.home import home_folder, make_folder
from flows.settings.sources import assignments, read_dotenv
from flows.untrusted import counted

if TYPE_CHECKING:
    from flows.judging.intervals import Interval
    from flows.report.sweep import SweepRow, SweepSearch
    from flows.search.progress import Watch
    from flows.settings.sweep import Member, SweepConfig
    from flows.sweep import Planned, Standing, Watching


@click.command("sweep", short_help="Compare models: a search for each, effort and seed.")
@click.argument("file", type=FILE, required=False, metavar="[TOML]")
@click.option("--name", metavar="TEXT", help="Name of the sweep.  [default: sweep]")
@CONFIGURED_DOMAIN
@SUITE
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME",
    help="Model to ask, one of the file's if it lists any; may be repeated.",
)
@click.option(
    "--effort", "efforts", multiple=True, metavar="NAME", help="Reasoning effort; may be repeated."
)
@click.option(
    "--strategy",
    "strategies",
    multiple=True,
    type=searches.STRATEGIES,
    help="How parents are chosen; may be repeated.",
)
@click.option(
    "--seed",
    "seeds",
    multiple=True,
    type=int,
    metavar="N",
    help="Seed of one search of each row; may be repeated.",
)
@click.option("--offline", is_flag=True, help="Search without a model as well.")
@click.option(
    "--candidates", type=int, metavar="N", help="Candidates of each search.  [default: 24]"
)
@click.option(
    "--dollars",
    type=float,
    metavar="N",
    help="Most dollars for all searches together.  [default: no limit]",
)
@click.option(
    "--minutes",
    type=float,
    metavar="N",
    help="Most minutes for all searches together.  [default: no limit]",
)
@click.option(
    "--slots", type=int, metavar="N", help="Candidates in parallel, of each search.  [default: 1]"
)
@click.option(
    "--at-once", type=click.IntRange(1, 16), metavar="N", help="Searches in parallel.  [default: 1]"
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any key of the file, as in sweep.budget.candidates=500; may be repeated.",
)
@click.option("--dry-run", is_flag=True, help="List the searches and what each may cost.")
@click.option("--report", "only_report", is_flag=True, help="Show the table, run nothing.")
@click.option("--direct", is_flag=True, help="Run without Prefect.")
@CONFIGURED_CELL
@click.option("-v", "--verbose", is_flag=True, help="Show Prefect's log.")
@click.option("-q", "--quiet", is_flag=True, help="Show the table only.")
@click.option("--json", "as_json", is_flag=True, help="Print the table as one JSON object.")
def sweep_command(
    file: Path | None,
    models: Sequence[str],
    settings: Sequence[str],
    dry_run: bool,
    only_report: bool,
    direct: bool,
    verbose: bool,
    quiet: bool,
    as_json: bool,
    **flags: Any,
) -> int:
    """Search with each model, reasoning effort, strategy and seed, and compare what they find.

    The file is that of a search with a table [sweep], which lists the models, efforts, strategies
    and seeds, and limits all searches together. Each search is an experiment of its own. The same
    command again continues what was interrupted and runs what is new. At the end, or with
    --report, one table and one page show the gain over the reference policy, and its cost.

    \b
      assay sweep sweep.toml --dry-run
      assay sweep sweep.toml
      assay sweep --model gpt-5-mini --model gpt-5 --offline --dollars 10
      assay sweep sweep.toml --report
    """
    from flows.settings.sweep import load_sweep
    from flows.sweep import keep_page, plan, searches_of

    given = {**assignments(settings), **_overrides(flags)}
    config = load_sweep(file, given, os.environ, read_dotenv(), models)
    home = make_folder(home_folder())
    if dry_run:
        _print_plan(config, plan(config, home))
        return 0
    standings: tuple[Standing, ...] = ()
    if not only_report:
        check_cell(config.cell)
        where = f"{file}: " if file is not None else ""
        standings = _run(config, home, where, direct, verbose, quiet or as_json)
    found = searches_of(config, home, standings)
    if all(each.data is None for each in found):
        raise UserError(_nothing(config, found, only_report))
    page = keep_page(config, home, found)
    if as_json:
        print_line(json.dumps(_json(config, found, page), allow_nan=False))
    else:
        _print(config, found, page)
    return LOST if any(each.refused for each in standings) else 0


KEYS = {
    "name": "name",
    "domain": "domain",
    "suite": "suite",
    "slots": "slots",
    "cell": "cell",
    "candidates": "budget.candidates",
    "efforts": "sweep.efforts",
    "strategies": "sweep.strategies",
    "seeds": "sweep.seeds",
    "at_once": "sweep.at_once",
    "dollars": "sweep.budget.dollars",
    "minutes": "sweep.budget.minutes",
}
PLAN_HEADERS = ("model", "effort", "strategy", "seed", "status", "tried", "about $", "at most $")
PLAN_EXPENDABLE = ("strategy", "status")


def _overrides(flags: Mapping[str, Any]) -> dict[str, Any]:
    given = {
        KEYS[flag]: list(value) if isinstance(value, tuple) else value
        for flag, value in flags.items()
        if flag in KEYS and value not in (None, ())
    }
    return {**given, **({"sweep.offline": True} if flags["offline"] else {})}


def _run(
    config: SweepConfig, home: Path, where: str, direct: bool, verbose: bool, quiet: bool
) -> tuple[Standing, ...]:
    """Run the searches, with their progress on the terminal."""
    from flows.experiment import run_experiment
    from flows.orchestration.server import START_SECONDS, check_runner
    from flows.sweep import check_sweep, run_sweep

    watching = _watching(config, quiet)
    with Interruptible(f"sweep {config.name}", home, at_once=not direct):
        check_sweep(config, where)
        if direct:
            return run_sweep(config, home, run_experiment, watching)
        check_runner(config.runner)
        tell = (lambda _: None) if quiet else print_line
        with nullcontext() if quiet else working("preparing Prefect"):
            orchestrate = searches.orchestrated(home, verbose, START_SECONDS, tell)
        standings: tuple[Standing, ...] = orchestrate.sweep_through_prefect(config, watching)
        return standings


def _watching(config: SweepConfig, quiet: bool) -> Watching:
    """Return what shows a search of the sweep: live one after another, else a line an attempt."""
    from flows.cli.watching import beside_others, watching
    from flows.search.progress import ignore

    count = len(config.members())

    @contextmanager
    def watch(member: Member) -> Iterator[Watch]:
        if quiet:
            yield ignore
            return
        print_line(f"search {member.number} of {count}: {member.label}")
        if config.sweep.at_once > 1:
            with beside_others(str(member.number)) as shown:
                yield shown
            return
        with watching() as shown:
            yield shown

    return watch


def _nothing(config: SweepConfig, found: Sequence[SweepSearch], only_report: bool) -> str:
    if only_report:
        return f"no search of sweep {config.name} has begun: type the command without --report"
    why = next((each.note for each in found if each.note), "")
    return f"no search of sweep {config.name} could begin: {why}"


def _print_plan(config: SweepConfig, planned: Sequence[Planned]) -> None:
    rows = [_plan_cells(each) for each in planned]
    used = [place for place in range(len(PLAN_HEADERS)) if any(row[place] for row in rows)]
    count = counted(len(planned), "search", "searches")
    title = f"sweep {config.name}: {count} on {config.suite}"
    headers = [PLAN_HEADERS[place] for place in used]
    print_table(title, headers, [[row[place] for place in used] for row in rows], PLAN_EXPENDABLE)
    about, most = _total(config, planned, "dollars"), _total(config, planned, "most_dollars")
    print_prose(f"together about {about}, at most {most}")
    limits = config.sweep.budget.model_dump(exclude_none=True)
    words = ", ".join(f"{name} {value:g}" for name, value in limits.items())
    print_prose(f"limits on all together: {words or 'none'}")
    for each in planned:
        if each.why_not and not each.standing.ended:
            print_prose(f"{each.standing.member.label}: {each.why_not}")


def _plan_cells(planned: Planned) -> tuple[str, ...]:
    standing, member = planned.standing, planned.standing.member
    open_ = not standing.ended
    return (
        *(member.model, member.effort, member.strategy, str(member.seed)),
        standing.status.replace("_", " "),
        f"{standing.spend.candidates}/{member.config.budget.candidates}",
        _amount(planned.dollars) if open_ else "",
        _amount(planned.most_dollars) if open_ else "",
    )


def _amount(dollars: float | None) -> str:
    return "unknown" if dollars is None else f"{dollars:.2f}"


def _total(config: SweepConfig, planned: Sequence[Planned], field: str) -> str:
    """Return what the searches that have not ended cost together, within the limit on all."""
    amounts = [getattr(each, field) for each in planned if not each.standing.ended]
    unknown, total = sum(each is None for each in amounts), sum(each or 0.0 for each in amounts)
    limit = config.sweep.budget.dollars
    words = f"${total if limit is None else min(total, limit):.2f}"
    return words + (
        f" and {counted(unknown, 'search', 'searches')} of unknown price" * bool(unknown)
    )


def _print(config: SweepConfig, found: Sequence[SweepSearch], page: Path) -> None:
    from flows.report.sweep_page import EXPENDABLE, sweep_table

    table = sweep_table(config.name, found)
    print_table(table.title, table.headers, table.rows, EXPENDABLE)
    for line in table.lines:
        print_prose(line)
    print_line(f"page: {searches.short_path(page)}")


def _json(config: SweepConfig, found: Sequence[SweepSearch], page: Path) -> dict[str, Any]:
    """Return the whole result as plain values."""
    from flows.report.sweep import objectives_of, pairs, ranked, sweep_rows

    data = next(each.data for each in found if each.data is not None)
    objective, *_ = objectives_of(data)
    rows = ranked(sweep_rows(found), objective)
    names = {row.place: row.name for row in rows}
    between = pairs(rows, objective)
    return {
        "sweep": config.name,
        "suite": config.suite,
        "objective": objective.name,
        "reference": data.spec.reference,
        "rows": [_row_json(row) for row in rows],
        "pairs": [
            {"row": names[own], "against": names[other], **_interval_json(interval)}
            for (own, other), interval in between.items()
        ],
        "searches": [
            {
                "search": each.member.label,
                "experiment": each.experiment_id,
                "status": each.status,
                "note": each.note,
            }
            for each in found
        ],
        "page": str(page),
    }


def _row_json(row: SweepRow) -> dict[str, Any]:
    from flows.report.sweep import objectives_of

    objectives = objectives_of(row.data[0]) if row.data else ()
    model, effort, strategy = row.key
    return {
        "row": row.name,
        "model": model,
        "effort": effort,
        "strategy": strategy,
        "searches": len(row.searches),
        "measured": len(row.found),
        "found": row.promoting,
        "split": row.split,
        "gains": {each.name: _interval_json(row.gain(each)) for each in objectives},
        "gain_percent_by_seed": row.gains_by_seed(objectives[0]) if objectives else [],
        "minutes": row.minutes,
        "failures": dict(row.failures),
        "spend": {
            name: value
            for name, value in asdict(row.spend).items()
            if not name.startswith(("largest_", "reserve", "seconds", "evaluations"))
        },
    }


def _interval_json(interval: Interval | None) -> dict[str, Any]:
    from flows.cli.trying import interval_json

    return interval_json(interval) or {}
