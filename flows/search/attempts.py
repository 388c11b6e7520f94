"""Attempts as proposers see them, made from recorded rows: train figures only."""

from dataclasses import replace

from flows.history.records import CandidateRow, EvaluationRow, Row
from flows.search.proposing import Attempt
from sandbox.outcome import Evaluation, Finding, Outcome, Problem
from sandbox.source import source_line

DRAWN = frozenset(("timeline", "containers"))
"""Metrics that are lists of hundreds: no score, guard, prompt or proposer looks at them."""


def make_attempt(row: CandidateRow, evaluations: tuple[Evaluation, ...]) -> Attempt:
    """Return the attempt that a candidate's row and its evaluations on train describe."""
    return Attempt(
        iteration=row.iteration,
        slot=row.slot,
        candidate=row.candidate,
        title=row.title,
        origin=row.origin,
        operator=row.operator,
        parents=tuple(row.parents),
        source=row.source,
        outcome=row.outcome,
        score=row.score,
        problem=row.problem,
        problem_line=row.problem_line,
        problem_source_line=source_line(row.source or "", row.problem_line),
        findings=tuple(Finding(**finding) for finding in row.findings),
        evaluations=evaluations,
        prints=next((each.prints for each in evaluations if each.prints), ""),
        duplicate_of=row.duplicate_of,
        standing=row.standing,
    )


def make_evaluation(row: EvaluationRow, source: str) -> Evaluation:
    """Return the evaluation that a row keeps."""
    problem = None
    if row.problem is not None:
        problem = Problem(
            message=row.problem,
            line=row.problem_line,
            tick=row.problem_tick,
            source_line=source_line(source, row.problem_line),
        )
    return Evaluation(
        scenario=row.scenario,
        outcome=Outcome(row.outcome),
        problem=problem,
        stats=row.stats,
        metrics=row.metrics,
        policy_calls=row.policy_calls,
        policy_cpu_seconds=row.policy_cpu_seconds,
        seconds=row.seconds,
        decision_sha256=row.decision_sha256,
        prints=row.prints,
    )


def without_drawings(row: Row) -> Row:
    """Return the row without what only a report draws, which is most of its size."""
    if not isinstance(row, EvaluationRow) or not DRAWN & (row.metrics or {}).keys():
        return row
    kept = {name: value for name, value in (row.metrics or {}).items() if name not in DRAWN}
    return replace(row, metrics=kept)
