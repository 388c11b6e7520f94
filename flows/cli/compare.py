"""``assay compare``: policies side by side on the same scenarios, with intervals and a verdict."""

import json
import math
import sys
from collections.abc import Callable, Sequence
from textwrap import fill
from typing import Any

from flows.cli.errors import say
from flows.cli.terminal import print_line, print_table, screen_width
from flows.errors import UserError
from flows.judging.comparison import Comparison, ComparisonRow, Measure, compare
from flows.judging.intervals import Interval
from flows.judging.objectives import Objective
from flows.judging.paper import PAPER_SUITE, PaperFigure, paper_figures, paper_lines
from flows.judging.splits import ALL_SPLITS, suite_scenarios
from flows.policies import Contender, find_contenders, library_contender
from flows.settings.cells import check_cell
from flows.wording import counted
from sandbox.outcome import Trial
from sandbox.trial import Sandbox

NAIVE = "naive"
LABEL_WIDTH = 16


def compare_policies(
    policies: Sequence[str],
    suite: str,
    split: str | None,
    objective: Objective,
    policy_calls: str | None,
    slots: int,
    cell: str,
    as_json: bool,
) -> int:
    """Print how the policies did against each other; return the exit code."""
    check_cell(cell)
    paper = suite == PAPER_SUITE
    split = split or (ALL_SPLITS if paper else "validation")
    contenders = _contenders(policies, paper)
    scenarios = suite_scenarios(suite, split, policy_calls)
    measure = Measure(objective=objective)
    with Sandbox(slots=slots, ready=len(contenders) > slots, cell=cell) as sandbox:
        comparison = compare(contenders, scenarios, sandbox, measure, _teller(len(contenders)))
    tried = {row.label: row.evaluations for row in comparison.rows}
    figures = paper_figures(tried) if paper else []
    if as_json:
        answer = {"suite": suite, "split": split, "objective": objective}
        print_line(json.dumps(answer | _as_json(comparison, figures), allow_nan=False))
    else:
        _print(comparison, f"{suite}, {split}, {objective}")
        for line in paper_lines(figures):
            print_line(line)
    return 0


def _contenders(names: Sequence[str], paper: bool) -> list[Contender]:
    """Add naive where there is nothing else to compare with, or where the paper has it."""
    found = find_contenders(names)
    naive = library_contender(NAIVE)
    named = naive in found
    if named and len(found) == 1:
        raise UserError("naive cannot be compared with itself: name another policy")
    return found if named or (len(found) > 1 and not paper) else [*found, naive]


def _teller(contenders: int) -> Callable[[Contender, Trial], None]:
    """Tell a person at a terminal what has been tried; say nothing into files and pipes."""
    tried: list[str] = []

    def tell(contender: Contender, trial: Trial) -> None:
        tried.append(contender.label)
        if sys.stderr.isatty():
            say(f"assay: {len(tried)} of {contenders}: {contender.label} {trial.outcome}")

    return tell


def _as_json(comparison: Comparison, figures: Sequence[PaperFigure]) -> dict[str, Any]:
    return {
        "first": comparison.first,
        "best_baseline": comparison.best_baseline,
        "scenarios": comparison.scenarios,
        "verdict": comparison.verdict,
        "policies": [_row_json(row) for row in comparison.rows],
        "paper": [
            {
                "policy": each.policy,
                "metric": each.metric,
                "value": each.value,
                "naive": each.naive,
                "gain_percent": each.gain_percent,
                "traces": each.traces,
            }
            for each in figures
        ],
    }


def _row_json(row: ComparisonRow) -> dict[str, Any]:
    return {
        "policy": row.label,
        "candidate": row.candidate,
        "baseline": row.baseline,
        "outcome": str(row.outcome),
        "score": row.score,
        "problem": row.problem,
        "problem_line": row.problem_line,
        "against_first": _interval_json(row.against_first),
        "against_baseline": _interval_json(row.against_baseline),
        "scores": dict(row.scores),
    }


def _interval_json(interval: Interval | None) -> dict[str, Any] | None:
    if interval is None:
        return None
    low, mean, high = (each if math.isfinite(each) else None for each in interval.percent)
    return {
        "gain_percent": mean,
        "low_percent": low if interval.scenarios > 1 else None,
        "high_percent": high,
        "level": interval.level,
        "excludes_zero": interval.excludes_zero,
    }


def _print(comparison: Comparison, title: str) -> None:
    both = comparison.best_baseline not in (None, comparison.first)
    headers = [
        "policy",
        "outcome",
        "score",
        "completed",
        f"% over {_short(comparison.first, 'the first')}",
    ]
    if both:
        headers.append(f"% over {_short(comparison.best_baseline or '', 'the baseline')}")
    rows = [
        [*_cells(row), _gain(row.against_first), *([_gain(row.against_baseline)] * both)]
        for row in comparison.rows
    ]
    scenarios = counted(comparison.scenarios, "scenario")
    print_table(f"{title}, {scenarios}", headers, rows, expendable=("completed",))
    for row in comparison.rows:
        if row.problem is not None:
            _print_wrapped(f"{row.label}: {row.outcome}: {_where(row)}{row.problem}")
    for row in comparison.rows:
        if row.against_first is not None and len(comparison.rows) > 2:
            _print_wrapped(f"{row.label} against {comparison.first}: {row.against_first.words()}")
    _print_wrapped(comparison.verdict)


def _print_wrapped(text: str) -> None:
    print_line(fill(text, screen_width(), subsequent_indent="  "))


def _cells(row: ComparisonRow) -> list[str]:
    metrics = [each.metrics or {} for each in row.evaluations]
    arrived = sum(int(each.get("pipelines_arrived") or 0) for each in metrics)
    completed = sum(int(each.get("pipelines_completed") or 0) for each in metrics)
    return [
        row.label,
        str(row.outcome),
        "none" if row.score is None else f"{row.score:.4f}",
        f"{completed}/{arrived}" if arrived else "",
    ]


def _short(label: str, otherwise: str) -> str:
    """Return what stands in a header, so that the table stays narrow."""
    return label if len(label) <= LABEL_WIDTH else otherwise


def _gain(interval: Interval | None) -> str:
    if interval is None:
        return ""
    low, mean, high = interval.percent
    if interval.scenarios == 1:
        return _figure(mean, "+")
    return f"{_figure(mean, '+')} ({_figure(low)} to {_figure(high)})"


def _figure(percent: float, sign: str = "") -> str:
    return f"{percent:{sign}.{0 if abs(percent) >= 99.95 else 1}f}"


def _where(row: ComparisonRow) -> str:
    return f"line {row.problem_line}: " if row.problem_line else ""
