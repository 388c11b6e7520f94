"""Turns a cell's output into evaluations, or into an error of ours, by evidence alone."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sandbox.errors import CellFailed
from sandbox.outcome import Evaluation, Outcome, Problem
from sandbox.provider import Ended
from sandbox.source import source_line
from simulator.cell.frames import (
    TIME_LIMITS,
    CellReport,
    FrameError,
    Tried,
    not_tried_because,
    unpack_report,
)
from simulator.cell.seal import SPLIT

_STDERR_TAIL_CHARS = 500
_FILTER = 2
_ONLY_ON_THE_HOST = frozenset(
    {Outcome.MALFORMED, Outcome.REJECTED, Outcome.NONDETERMINISTIC},
)
OUTCOMES_OF_A_CELL = frozenset(Outcome) - _ONLY_ON_THE_HOST


def judge(
    ended: Ended,
    *,
    nonce: bytes,
    domain_sha256: str,
    scenarios: Sequence[str],
    protections: Mapping[str, Any],
    source: str,
) -> tuple[CellReport | None, tuple[Evaluation, ...]]:
    """Return the report and an evaluation of each scenario; raise CellFailed if the fault is ours.

    Without an authentic report, a policy is charged only if the cell was killed for its memory.
    With one, the cell must have had all ``protections``.
    """
    try:
        report = unpack_report(ended.stdout, nonce)
    except FrameError as error:
        return None, _without_report(ended, scenarios, error)
    if report.fault is not None:
        raise CellFailed(f"the cell could not do its job: {report.fault}")
    if report.domain_sha256 != domain_sha256:
        raise CellFailed("the cell simulated another domain than was asked for")
    _require_scenarios(report, scenarios)
    gaps = weaknesses(report.isolation, protections)
    if gaps:
        asked = protections.get("asked")
        raise CellFailed(f"the cell was weaker than asked ({asked}): {'; '.join(gaps)}")
    return report, tuple(evaluation_of(tried, source) for tried in report.tried)


def without_what_follows_a_limit(evaluations: Sequence[Evaluation]) -> tuple[Evaluation, ...]:
    """Return the evaluations, with those after the first time limit as ``not_tried``."""
    kept: list[Evaluation] = []
    limit: Evaluation | None = None
    for each in evaluations:
        if limit is None or each.outcome is Outcome.NOT_TRIED:
            kept.append(each)
        else:
            kept.append(not_tried(each.scenario, limit))
        if limit is None and each.outcome in TIME_LIMITS:
            limit = each
    return tuple(kept)


def not_tried(scenario: str, limit: Evaluation) -> Evaluation:
    """Return the evaluation of a scenario that is not tried since the policy reached ``limit``."""
    assert limit.problem is not None
    reason = not_tried_because(limit.outcome, limit.scenario, limit.problem.message)
    return Evaluation(scenario=scenario, outcome=Outcome.NOT_TRIED, problem=Problem(message=reason))


def container_protections(isolation: str) -> dict[str, Any]:
    """Return the protections that a container's report must show."""
    return {
        **_seal_protections(isolation),
        "trusted_seccomp": _FILTER,
        "own_pid_namespace": True,
        "read_only_root": True,
        "interfaces": ["lo"],
    }


def process_protections(isolation: str, walls: Collection[str]) -> dict[str, Any]:
    """Return the protections that the report of an embedded cell with ``walls`` must show."""
    wanted = _seal_protections(isolation)
    if "pid" in walls:
        wanted["own_pid_namespace"] = True
    if "mount" in walls:
        wanted["read_only_root"] = True
    if "net" in walls:
        wanted["interfaces"] = ["lo"]
    return wanted


def weaknesses(facts: Mapping[str, Any], protections: Mapping[str, Any]) -> list[str]:
    """Return which ``protections`` the reported ``facts`` lack."""
    return [
        f"{name} is {facts.get(name)!r}, not {value!r}"
        for name, value in protections.items()
        if facts.get(name) != value
    ]


def evaluation_of(tried: Tried, source: str) -> Evaluation:
    """Return the host's record of one scenario."""
    try:
        outcome = Outcome(tried.outcome)
    except ValueError:
        outcome = Outcome.MALFORMED
    if outcome not in OUTCOMES_OF_A_CELL:
        raise CellFailed(f"the cell reported the outcome {tried.outcome!r}, which no cell can have")
    return Evaluation(
        scenario=tried.scenario,
        outcome=outcome,
        problem=_problem(tried, source) if outcome is not Outcome.OK else None,
        stats=tried.stats,
        metrics=tried.metrics,
        policy_calls=tried.policy_calls,
        policy_cpu_seconds=tried.policy_cpu_seconds,
        simulator_cpu_seconds=tried.simulator_cpu_seconds,
        seconds=tried.seconds,
        decision_sha256=tried.decision_sha256,
        prints=tried.prints,
    )


def _seal_protections(isolation: str) -> dict[str, Any]:
    wanted: dict[str, Any] = {
        "asked": isolation,
        "worker_seccomp": _FILTER,
        "own_filter": True,
        "no_new_privs": True,
    }
    if isolation == SPLIT:
        wanted |= {"uid_split": True, "worker_capabilities": "0x0"}
    return wanted


def _problem(tried: Tried, source: str) -> Problem:
    return Problem(
        message=tried.message or tried.outcome,
        line=tried.line,
        step=tried.step,
        source_line=source_line(source, tried.line),
    )


def _require_scenarios(report: CellReport, scenarios: Sequence[str]) -> None:
    names = [tried.scenario for tried in report.tried]
    if names != list(scenarios):
        raise CellFailed(f"the cell reported on the scenarios {names}, not on {list(scenarios)}")


def _without_report(
    ended: Ended, scenarios: Sequence[str], error: FrameError
) -> tuple[Evaluation, ...]:
    if ended.out_of_memory:
        problem = Problem(message="the cell ran out of memory and the kernel killed it")
        return tuple(
            Evaluation(scenario=name, outcome=Outcome.MEMORY_LIMIT, problem=problem)
            for name in scenarios
        )
    if ended.overdue:
        raise CellFailed("the cell sent no report before the host's deadline", "try again")
    if ended.flooded:
        raise CellFailed("the cell wrote more than a report can hold", "try again")
    stderr = ended.stderr.strip()[-_STDERR_TAIL_CHARS:] or "nothing"
    raise CellFailed(
        f"the cell sent no authentic report ({error}); the end of its standard error: {stderr}"
    )
