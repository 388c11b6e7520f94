"""``assay evaluate``: one policy through screen and cell, with what came of it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flows.cli.errors import POLICY_FAILED, say
from flows.cli.terminal import excerpt, print_line, print_table
from flows.errors import UserError
from flows.judging.scoring import Judged, Verdict, judge
from flows.judging.splits import naive_references, suite_scenarios, trace_scenario
from flows.policies import PolicyText, never_tried, read_policy
from flows.settings.cells import check_cell
from flows.wording import counted
from sandbox.outcome import Outcome, Trial
from sandbox.trial import Payload, Sandbox
from simulator.params import Params
from simulator.scenario import Scenario
from simulator.suites import encode_scenario


def evaluate_policy(
    policy: str,
    suite: str | None,
    trace: Path | None,
    params: Path | None,
    split: str,
    policy_calls: str | None,
    cell: str,
    as_json: bool,
) -> int:
    """Print how ``policy`` did; return the exit code."""
    check_cell(cell)
    scenarios = _scenarios(suite, trace, params, split, policy_calls)
    text = read_policy(policy)
    trial = _try(text, scenarios, cell)
    verdict = judge(trial, naive_references(scenarios))
    if as_json:
        print_line(json.dumps(_as_json(trial, verdict), allow_nan=False))
    else:
        _print(text, trial, verdict)
    return 0 if verdict.outcome is Outcome.OK else POLICY_FAILED


def _scenarios(
    suite: str | None, trace: Path | None, params: Path | None, split: str, calls: str | None
) -> tuple[Scenario, ...]:
    if suite is not None and (trace is not None or params is not None):
        raise UserError("--suite and --trace/--params exclude each other: give one of them")
    if trace is not None or params is not None:
        scenario = trace_scenario(trace, params, calls)
        if params is None:
            say(f"assay: no --params, so the default ones hold: {_cluster(scenario.params)}")
        return (scenario,)
    return suite_scenarios(suite or "smoke", split, calls)


def _cluster(params: Params) -> str:
    pools = counted(params.num_pools, "pool")
    return (
        f"{pools} of {params.cpus_per_pool:g} cpus and {params.ram_gb_per_pool:g} GB, "
        f"{params.duration:g} s"
    )


def _try(text: PolicyText, scenarios: Sequence[Scenario], cell: str) -> Trial:
    """Try the policy; the first scenario comes twice, to see whether it can be repeated."""
    if text.source is None:
        return never_tried(text, [each.name for each in scenarios])
    payloads = [Payload(name=each.name, data=encode_scenario(each)) for each in scenarios]
    with Sandbox(slots=1, ready=False, cell=cell) as sandbox:
        return sandbox.try_policy(text.source, [*payloads, payloads[0]])


def _as_json(trial: Trial, verdict: Verdict) -> dict[str, Any]:
    cell = trial.cell
    return {
        "candidate": trial.candidate,
        "outcome": str(verdict.outcome),
        "score": verdict.score,
        "problem": verdict.problem.message if verdict.problem is not None else None,
        "evaluations": [_evaluation_json(each) for each in verdict.judged],
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
    first, *others = trial.evaluations
    again = [each for each in others if each.scenario == first.scenario]
    if not again:
        return None
    same: bool | None = None
    if Outcome.OK not in (first.outcome, again[0].outcome) or again[0].outcome is Outcome.NOT_TRIED:
        message = "not made, as the policy reached a limit or failed"
    elif (first.outcome, first.decision_sha256) == (again[0].outcome, again[0].decision_sha256):
        same, message = True, "the same decisions in another cell"
    else:
        same, message = False, "other decisions in another cell: the score cannot be repeated"
    return {"scenario": first.scenario, "same": same, "message": message}


def _evaluation_json(judged: Judged) -> dict[str, Any]:
    tried = judged.evaluation
    problem = tried.problem
    return {
        "scenario": tried.scenario,
        "outcome": str(tried.outcome),
        "score": judged.score,
        "weighted_latency_seconds": judged.weighted_latency_seconds,
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
            "tick": problem.tick,
            "line": problem.line,
            "source_line": problem.source_line,
        },
    }


def _print(text: PolicyText, trial: Trial, verdict: Verdict) -> None:
    title = f"{text.title}  {trial.candidate[:12]}"
    if trial.cell is None:
        print_line(title)
    else:
        print_table(
            title,
            ("scenario", "outcome", "score", "completed", "weighted latency", "oom kills"),
            [_cells(each) for each in verdict.judged],
        )
    for line in _problem_lines(trial, verdict):
        print_line(line)
    repeat = repeat_of(trial)
    if repeat is not None and trial.cell is not None:
        print_line(f"repeat of {repeat['scenario']}: {repeat['message']}")
    score = "none" if verdict.score is None else f"{verdict.score:.4f} (naive = 1.0)"
    print_line(f"outcome: {verdict.outcome}   score: {score}")


def _cells(judged: Judged) -> tuple[str, ...]:
    metrics = judged.evaluation.metrics or {}
    arrived, completed = metrics.get("pipelines_arrived"), metrics.get("pipelines_completed")
    return (
        judged.evaluation.scenario,
        str(judged.evaluation.outcome),
        f"{judged.score:.4f}",
        "" if completed is None else f"{completed}/{arrived}",
        f"{judged.weighted_latency_seconds:.2f} s",
        str(metrics.get("oom_kills", "")),
    )


def _problem_lines(trial: Trial, verdict: Verdict) -> list[str]:
    lines = []
    for finding in trial.findings:
        lines.append(_told(finding.message, line=finding.line, column=finding.column))
        if finding.source_line.strip():
            lines.append(excerpt(finding.source_line, finding.column))
    problem = verdict.problem
    if lines or problem is None:
        return lines
    lines.append(_told(problem.message, line=problem.line, tick=problem.tick))
    if problem.source_line.strip():
        lines.append(excerpt(problem.source_line))
    return lines


def _told(message: str, **where: int | None) -> str:
    """Return a message behind the places that are known; lines and columns count from 1."""
    known = [f"{name} {at}" for name, at in where.items() if at or (name == "tick" and at == 0)]
    return f"{', '.join(known)}{': ' if known else ''}{message}"
