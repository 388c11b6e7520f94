"""``assay evaluate`` and ``assay compare``: policies on scenarios, and what came of it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import click

from flows.cli.errors import LOST, POLICY_FAILED, say
from flows.cli.machine import check_cell
from flows.cli.options import (
    CELL,
    DOMAIN,
    FILE,
    PLACE,
    SLOTS,
    SPLITS,
    SUITE,
    complete_policies,
)
from flows.cli.progress import Told, working
from flows.cli.terminal import excerpt, print_line, print_table, screen_width
from flows.errors import UserError
from flows.untrusted import counted

if TYPE_CHECKING:
    from flows.judging.comparison import Comparison, ComparisonRow
    from flows.judging.intervals import Interval
    from flows.judging.objectives import Reference
    from flows.judging.scoring import Judged, Verdict
    from flows.policies import Contender, PolicyText
    from sandbox.outcome import Trial
    from simulator.domain import Domain, Scenario
    from simulator.domain_host import Published
    from simulator.domain_spec import DomainSpec, Metric

PARTS = click.Choice(["train", "validation", "test", "all"])


@click.command("evaluate", short_help="Try one policy in a locked container.")
@click.argument("policy", shell_complete=complete_policies)
@DOMAIN
@SUITE
@click.option(
    "--trace", type=PLACE, metavar="FILE|FOLDER", help="One trace or scenario instead of a suite."
)
@click.option("--params", type=FILE, metavar="FILE", help="Parameters for --trace, TOML or JSON.")
@click.option("--split", type=SPLITS, default="train", show_default=True, help="Part of the suite.")
@click.option(
    "--policy-calls", metavar="MODE", help="When to call the policy; overrides the suite."
)
@CELL
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def evaluate_policy(
    policy: str,
    domain: Domain,
    suite: str | None,
    trace: Path | None,
    params: Path | None,
    split: str,
    policy_calls: str | None,
    cell: str,
    as_json: bool,
) -> int:
    """Try one POLICY, a file or a library policy's name, in a locked container.

    The score says how many times as good as the domain's reference policy it is, as a geometric
    mean over the scenarios; higher is better.

    \b
      assay evaluate my_policy.py
      assay evaluate my_policy.py --suite mixed --split validation --json
    """
    from flows.judging.scoring import Scale, judge
    from flows.policies import read_policy
    from sandbox.outcome import Outcome

    check_cell(cell)
    with working("reading the scenarios") as told:
        scenarios = _scenarios(domain, suite, trace, params, split, policy_calls)
        text = read_policy(policy, domain)
        told(f"trying {text.title} on {counted(len(scenarios), 'scenario')}", 0, 0)
        trial = _try(text, scenarios, cell, domain)
        told(f"scoring against {domain.spec.reference}", 0, 0)
        references = _references(scenarios, cell, domain)
    verdict = judge(trial, references, Scale(spec=domain.spec))
    if as_json:
        print_line(json.dumps(_trial_json(trial, verdict, domain), allow_nan=False))
    else:
        _print_trial(text, trial, verdict, domain.spec)
    if verdict.outcome is Outcome.SIMULATOR_FAILED:
        return LOST
    return 0 if verdict.outcome is Outcome.OK else POLICY_FAILED


@click.command("compare", short_help="Compare policies, with confidence intervals and a verdict.")
@click.argument(
    "policies",
    nargs=-1,
    required=True,
    metavar="POLICY...",
    shell_complete=complete_policies,
)
@DOMAIN
@SUITE
@click.option(
    "--split",
    type=PARTS,
    help="Part of the suite.  [default: validation; all of one with published figures]",
)
@click.option("--objective", metavar="NAME", help="Objective of the score, as the domain names it.")
@click.option(
    "--policy-calls", metavar="MODE", help="When to call the policies; overrides the suite."
)
@SLOTS
@CELL
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def compare_policies(
    policies: Sequence[str],
    domain: Domain,
    suite: str | None,
    split: str | None,
    objective: str | None,
    policy_calls: str | None,
    slots: int,
    cell: str,
    as_json: bool,
) -> int:
    """Compare policies on the same scenarios, with confidence intervals and a verdict.

    Each POLICY is a file, a library policy's name, a candidate's name or the beginning of its
    sha256, or an experiment, which stands for its best policy. Others are measured against the
    first; a single one against the domain's reference policy. A failed scenario counts with its
    penalty.

    \b
      assay compare my_policy.py right-size
      assay compare 3fa9c1d2 my_policy.py --suite mixed --slots 2
      assay compare my_policy.py --suite paper    beside the paper's figure
    """
    from flows.judging.comparison import Measure, compare
    from flows.judging.splits import ALL_SPLITS, suite_scenarios
    from sandbox.trial import Sandbox

    check_cell(cell)
    suite = suite or domain.spec.suite
    objective = domain.spec.objective(objective).name
    published = _published(domain, suite)
    split = split or (ALL_SPLITS if published is not None else "validation")
    contenders = _contenders(policies, domain, published is not None)
    measure, ready = Measure(objective=objective), len(contenders) > slots
    with working("reading the scenarios") as told:
        scenarios = suite_scenarios(suite, domain, split, policy_calls)
        tell = _teller(len({each.text.candidate for each in contenders}), told)
        with Sandbox(slots=slots, ready=ready, cell=cell, domain=domain) as sandbox:
            comparison = compare(contenders, scenarios, domain, sandbox, measure, tell)
    tried = {row.label: row.evaluations for row in comparison.rows}
    if as_json:
        figures = published.figures(tried) if published is not None else []
        answer = {"domain": domain.name, "suite": suite, "split": split, "objective": objective}
        print_line(json.dumps(answer | _comparison_json(comparison, figures), allow_nan=False))
        return 0
    _print_comparison(comparison, f"{suite}, {split}, {objective}", domain.spec)
    for line in published.lines(tried) if published is not None else ():
        print_line(line)
    return 0


def _published(domain: Domain, suite: str) -> Published | None:
    """Return what was published about a suite, if anything was."""
    known = domain.hosted("published")
    found: Published | None = known(suite) if known is not None else None
    return found


def _scenarios(
    domain: Domain,
    suite: str | None,
    trace: Path | None,
    params: Path | None,
    split: str,
    calls: str | None,
) -> tuple[Scenario, ...]:
    from flows.judging.splits import file_scenario, suite_scenarios

    if suite is not None and (trace is not None or params is not None):
        raise UserError("--suite and --trace/--params exclude each other: give one of them")
    if trace is not None or params is not None:
        scenario, defaults = file_scenario(trace, params, domain, calls)
        if defaults:
            say(f"assay: no --params given, using the defaults: {defaults}")
        return (scenario,)
    return suite_scenarios(suite or domain.spec.suite, domain, split, calls)


def _try(text: PolicyText, scenarios: Sequence[Scenario], cell: str, domain: Domain) -> Trial:
    """Try the policy; the first scenario comes twice, to see whether it can be repeated."""
    from flows.judging.comparison import scenario_payloads
    from flows.policies import never_tried
    from sandbox.trial import Sandbox

    if text.source is None:
        return never_tried(text, [each.name for each in scenarios])
    with Sandbox(slots=1, ready=False, cell=cell, domain=domain) as sandbox:
        return sandbox.try_policy(text.source, scenario_payloads(scenarios, domain))


def _references(
    scenarios: Sequence[Scenario], cell: str, domain: Domain
) -> Mapping[str, Reference]:
    from flows.judging.splits import find_references
    from sandbox.trial import Sandbox

    if domain.trust != "sealed":
        return find_references(scenarios, domain)
    with Sandbox(slots=1, ready=False, cell=cell, domain=domain) as sandbox:
        return find_references(scenarios, domain, sandbox)


def _trial_json(trial: Trial, verdict: Verdict, domain: Domain) -> dict[str, Any]:
    cell = trial.cell
    unit = domain.spec.objective().unit
    return {
        "domain": {
            "name": domain.name,
            "version": domain.spec.version,
            "sha256": domain.sha256,
        },
        "candidate": trial.candidate,
        "outcome": str(verdict.outcome),
        "score": verdict.score,
        "problem": verdict.problem.message if verdict.problem is not None else None,
        "evaluations": [_evaluation_json(each, unit) for each in verdict.judged],
        "repeat": repeat_of(trial),
        "findings": [
            {"line": f.line, "column": f.column, "code": f.code, "message": f.message}
            for f in trial.findings
        ],
        "cell": None
        if cell is None
        else {
            "image_id": cell.image_id,
            "seconds": cell.seconds,
            "runtime": cell.runtime,
            "isolation": cell.isolation,
        },
    }


def repeat_of(trial: Trial) -> dict[str, Any] | None:
    """Return whether the first scenario was decided the same when it was tried again.

    ``same`` is None where it was not tried again: a policy that failed is not repeated.
    """
    from sandbox.outcome import Outcome

    first, *others = trial.evaluations
    again = [each for each in others if each.scenario == first.scenario]
    if not again:
        return None
    same: bool | None = None
    if Outcome.OK not in (first.outcome, again[0].outcome) or again[0].outcome is Outcome.NOT_TRIED:
        message = "skipped, because the policy reached a limit or failed"
    elif (first.outcome, first.decision_sha256) == (again[0].outcome, again[0].decision_sha256):
        same, message = True, "the same decisions in another cell"
    else:
        same, message = False, "different decisions in another cell: the score cannot be repeated"
    return {"scenario": first.scenario, "same": same, "message": message}


def _evaluation_json(judged: Judged, unit: str) -> dict[str, Any]:
    tried = judged.evaluation
    problem = tried.problem
    return {
        "scenario": tried.scenario,
        "outcome": str(tried.outcome),
        "score": judged.score,
        "cost": judged.cost,
        "cost_unit": unit,
        "stats": tried.stats,
        "metrics": tried.metrics,
        "policy_calls": tried.policy_calls,
        "policy_cpu_seconds": tried.policy_cpu_seconds,
        "decision_sha256": tried.decision_sha256,
        "error": None
        if problem is None
        else {
            "kind": str(tried.outcome),
            "message": problem.message,
            "step": problem.step,
            "line": problem.line,
            "source_line": problem.source_line,
        },
    }


def _print_trial(text: PolicyText, trial: Trial, verdict: Verdict, spec: DomainSpec) -> None:
    title = f"{text.title}  {trial.candidate[:12]}"
    if trial.cell is None:
        print_line(title)
    else:
        print_table(
            title,
            (
                "scenario",
                "outcome",
                "score",
                spec.objective().label,
                *(each.brief for each in spec.brief()),
            ),
            [_scenario_cells(each, spec) for each in verdict.judged],
            [each.brief for each in spec.brief()],
        )
    for line in _problem_lines(trial, verdict, spec.unit_of_step):
        print_line(line)
    repeat = repeat_of(trial)
    if repeat is not None and trial.cell is not None:
        print_line(f"repeat of {repeat['scenario']}: {repeat['message']}")
    score = "none" if verdict.score is None else f"{verdict.score:.4f} ({spec.reference} = 1.0)"
    print_line(f"outcome: {verdict.outcome}   score: {score}")


def _scenario_cells(judged: Judged, spec: DomainSpec) -> tuple[str, ...]:
    from flows.judging.objectives import metric_text, with_unit

    return (
        judged.evaluation.scenario,
        str(judged.evaluation.outcome),
        f"{judged.score:.4f}",
        with_unit(judged.cost, spec.objective().unit, ".2f"),
        *(metric_text(each, [judged.evaluation]) for each in spec.brief()),
    )


def _problem_lines(trial: Trial, verdict: Verdict, unit_of_step: str) -> list[str]:
    lines = []
    for finding in trial.findings:
        lines.append(_told(finding.message, line=finding.line, column=finding.column))
        if finding.source_line.strip():
            lines.append(excerpt(finding.source_line, finding.column))
    problem = verdict.problem
    if lines or problem is None:
        return lines
    lines.append(_told(problem.message, line=problem.line, **{unit_of_step: problem.step}))
    if problem.source_line.strip():
        lines.append(excerpt(problem.source_line))
    return lines


def _told(message: str, **where: int | None) -> str:
    """Return a message behind the places that are known; only steps count from 0."""
    known = [
        f"{name} {at}"
        for name, at in where.items()
        if at or (at == 0 and name not in ("line", "column"))
    ]
    return f"{', '.join(known)}{': ' if known else ''}{message}"


LABEL_WIDTH = 16


def _contenders(names: Sequence[str], domain: Domain, published: bool) -> list[Contender]:
    """Add the reference policy beside a single other one, and to published figures."""
    from flows.policies import find_contenders, library_contender

    found = find_contenders(names, domain)
    reference = library_contender(domain.spec.reference, domain)
    named = reference in found
    if named and len(found) == 1:
        raise UserError(
            f"{domain.spec.reference} cannot be compared with itself: name another policy"
        )
    return found if named or (len(found) > 1 and not published) else [*found, reference]


def _teller(policies: int, told: Told) -> Callable[[Contender, Trial], None]:
    """Return a function that shows each tried policy, and how many of them there are."""
    tried: list[str] = []
    told("trying policies", 0, policies)

    def report(contender: Contender, trial: Trial) -> None:
        tried.append(contender.label)
        told(f"{contender.label} {trial.outcome}; trying policies", len(tried), policies)

    return report


def _comparison_json(comparison: Comparison, figures: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "first": comparison.first,
        "best_baseline": comparison.best_baseline,
        "scenarios": comparison.scenarios,
        "verdict": comparison.verdict,
        "policies": [_row_json(row) for row in comparison.rows],
        "paper": list(figures),
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
        "against_first": interval_json(row.against_first),
        "against_baseline": interval_json(row.against_baseline),
        "scores": dict(row.scores),
        "groups": {label: interval_json(each) for label, each in row.groups.items()},
        "guards": {metric.key: interval_json(change) for metric, change in row.guards},
    }


def interval_json(interval: Interval | None) -> dict[str, Any] | None:
    """Return an interval of a gain as plain values."""
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


def _print_comparison(comparison: Comparison, title: str, spec: DomainSpec) -> None:
    shown = spec.brief()[:1]
    both = comparison.best_baseline not in (None, comparison.first)
    headers = [
        "policy",
        "outcome",
        "score",
        *(each.brief for each in shown),
        f"% over {_short(comparison.first, 'the first')}",
    ]
    if both:
        headers.append(f"% over {_short(comparison.best_baseline or '', 'the baseline')}")
    rows = [
        [
            *_policy_cells(row, shown),
            _gain(row.against_first),
            *([_gain(row.against_baseline)] * both),
        ]
        for row in comparison.rows
    ]
    scenarios = counted(comparison.scenarios, "scenario")
    print_table(f"{title}, {scenarios}", headers, rows, [each.brief for each in shown])
    for row in comparison.rows:
        if row.problem is not None:
            _print_wrapped(f"{row.label}: {row.outcome}: {_where(row)}{row.problem}")
    for row in comparison.rows:
        against = f"{row.label} against {comparison.first}"
        for group, interval in row.groups.items():
            _print_wrapped(f"{against}, {group}: {interval.words()}")
        if row.against_first is not None and not row.groups and len(comparison.rows) > 2:
            _print_wrapped(f"{against}: {row.against_first.words()}")
    for line in _guard_lines(comparison):
        _print_wrapped(line)
    _print_wrapped(comparison.verdict)


def _guard_lines(comparison: Comparison) -> list[str]:
    """Say which guarded figures are certainly worse than those of the first."""
    from flows.judging.guards import certain_loss

    checked = dict.fromkeys(metric.label for row in comparison.rows for metric, _ in row.guards)
    if not checked:
        return []
    worse = [
        f"guard: {row.label} against {comparison.first}: {metric.label} {change.words()}; a search "
        "refuses such a candidate"
        for row in comparison.rows
        for metric, change in row.guards
        if certain_loss(change)
    ]
    none = f"guards: nothing is significantly worse than with {comparison.first}: "
    return worse or [none + "; ".join(checked)]


def _print_wrapped(text: str) -> None:
    print_line(fill(text, screen_width(), subsequent_indent="  "))


def _policy_cells(row: ComparisonRow, shown: Sequence[Metric]) -> list[str]:
    from flows.judging.objectives import metric_text

    return [
        row.label,
        str(row.outcome),
        "none" if row.score is None else f"{row.score:.4f}",
        *(metric_text(each, row.evaluations) for each in shown),
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
