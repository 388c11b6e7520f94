"""The memory of one experiment, built from recorded rows: a resumed search knows the same."""

from collections.abc import Iterable, Sequence

from flows.budget import Spend, spend_of
from flows.happenings import SearchResult
from flows.proposing import Attempt
from flows.records import (
    CandidateRow,
    EvaluationRow,
    EventRow,
    ExperimentRow,
    LlmCallRow,
    PromptRow,
    Row,
    ScenarioRow,
)
from flows.scoring import Reference, behaviour, normalised_sha256
from sandbox.outcome import Evaluation, Finding, Outcome, Problem

Key = tuple[int, int]


class Ledger:
    """Absorbs rows in the order they are recorded and answers what the loop asks about the past."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self.experiment: ExperimentRow | None = None
        self.scenarios: dict[str, ScenarioRow] = {}
        self.candidates: dict[Key, CandidateRow] = {}
        self.best: CandidateRow | None = None
        self.next_event = 0
        self._evaluations: dict[Key, list[EvaluationRow]] = {}
        self._attempts: dict[Key, Attempt] = {}
        self._sources: dict[str, Key] = {}
        self._behaviours: dict[tuple[tuple[str, str], ...], Key] = {}
        self._prompts: set[str] = set()
        self._lost: set[Key] = set()
        self._spending: list[Row] = []
        for row in sorted(rows, key=_recording_order):
            self.absorb(row)

    def result(self, spend: Spend, *, already_done: bool = False) -> SearchResult:
        """Return how the recorded experiment stands, with everything it tried."""
        assert self.experiment is not None, "an experiment is recorded before anything else"
        return SearchResult(
            experiment_id=self.experiment.experiment_id,
            status=self.experiment.status,
            status_detail=self.experiment.status_detail,
            candidates=tuple(self.candidates[key] for key in sorted(self.candidates)),
            best=self.best,
            lost=self.lost(),
            spend=spend,
            already_done=already_done,
        )

    def absorb(self, row: Row) -> None:
        """Remember one row; evaluations come before the candidate that they belong to."""
        if isinstance(row, CandidateRow | EventRow | LlmCallRow | ExperimentRow):
            self._spending.append(row)
        match row:
            case ExperimentRow():
                self.experiment = row
            case ScenarioRow():
                self.scenarios[row.scenario] = row
            case EvaluationRow():
                self._evaluations.setdefault((row.iteration, row.slot), []).append(row)
            case CandidateRow():
                self._absorb_candidate(row)
            case PromptRow():
                self._prompts.add(row.prompt_sha256)
            case EventRow():
                self.next_event = max(self.next_event, row.sequence + 1)
                if row.kind == "attempt_lost" and row.iteration is not None:
                    self._lost.add((row.iteration, row.slot or 0))
            case _:
                pass

    def attempts(self) -> tuple[Attempt, ...]:
        """Return all attempts in order of (iteration, slot)."""
        return tuple(self._attempts[key] for key in sorted(self._attempts))

    def attempt(self, key: Key) -> Attempt:
        """Return the attempt recorded under ``key``."""
        return self._attempts[key]

    def evaluations(self, key: Key) -> tuple[Evaluation, ...]:
        """Return the scored evaluations of an attempt, those of its original for a duplicate."""
        return self._attempts[key].evaluations

    def same_source(self, source: str) -> Key | None:
        """Return the first attempt with the same normalised source."""
        return self._sources.get(normalised_sha256(source))

    def same_behaviour(self, evaluations: Sequence[Evaluation]) -> Key | None:
        """Return the first attempt that decided the same everywhere."""
        marks = behaviour(evaluations)
        return self._behaviours.get(marks) if marks is not None else None

    def references(self) -> dict[str, Reference]:
        """Return what each scenario is measured against."""
        return {
            name: Reference(
                weighted_latency_seconds=row.baseline_metrics["weighted_latency_seconds"] or 0.0,
                duration_seconds=row.duration_seconds,
            )
            for name, row in self.scenarios.items()
        }

    def calls_of(self, key: Key) -> tuple[LlmCallRow, ...]:
        """Return the recorded requests to a model for one slot."""
        calls = (row for row in self._spending if isinstance(row, LlmCallRow))
        return tuple(call for call in calls if (call.iteration, call.slot) == key)

    def knows_prompt(self, sha256: str) -> bool:
        return sha256 in self._prompts

    def tried(self) -> int:
        """Return how many attempts are recorded, baselines not counted."""
        return sum(iteration > 0 for iteration, _ in self.candidates)

    def spend(self) -> Spend:
        """Return what all runs so far have used, from the rows alone."""
        return spend_of(self._spending)

    def lost(self) -> int:
        """Return how many attempts were lost and never made up for."""
        return len(self._lost - set(self.candidates))

    def best_before(self, iteration: int) -> Attempt | None:
        """Return the best attempt of earlier iterations."""
        keys = [key for key, row in self.candidates.items() if row.improved and key[0] < iteration]
        return self._attempts[max(keys)] if keys else None

    def next_iteration(self) -> int:
        """Return the first iteration that may have slots to fill."""
        return max([1, *(iteration for iteration, _ in self.candidates)])

    def _absorb_candidate(self, row: CandidateRow) -> None:
        key = (row.iteration, row.slot)
        self.candidates[key] = row
        if row.improved:
            self.best = row
        evaluations = self._own_evaluations(key, row)
        self._attempts[key] = make_attempt(row, evaluations)
        if row.source is not None:
            self._sources.setdefault(normalised_sha256(row.source), key)
        marks = behaviour(evaluations)
        if marks is not None and row.outcome == Outcome.OK:
            self._behaviours.setdefault(marks, key)

    def _own_evaluations(self, key: Key, row: CandidateRow) -> tuple[Evaluation, ...]:
        rows = [each for each in self._evaluations.get(key, []) if each.attempt == 0]
        if not rows and row.duplicate_of is not None:
            return self._attempts[parse_key(row.duplicate_of)].evaluations
        newest = {each.scenario: each for each in rows}
        return tuple(_evaluation(each, row.source or "") for each in newest.values())


def make_attempt(row: CandidateRow, evaluations: tuple[Evaluation, ...]) -> Attempt:
    """Return the attempt that a candidate's row and its evaluations describe."""
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
    )


def source_line(source: str, line: int | None) -> str:
    """Return line number ``line`` of ``source``, stripped; empty when there is none."""
    lines = source.splitlines()
    return lines[line - 1].strip() if line is not None and 0 < line <= len(lines) else ""


def format_key(key: Key) -> str:
    """Return ``iteration/slot``, as the history writes it."""
    return f"{key[0]}/{key[1]}"


def parse_key(text: str) -> Key:
    """Return the pair that :func:`format_key` wrote."""
    iteration, slot = text.split("/")
    return int(iteration), int(slot)


def _evaluation(row: EvaluationRow, source: str) -> Evaluation:
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


def _recording_order(row: Row) -> tuple[int, int, int]:
    """Sort evaluations before candidates, candidates by (iteration, slot)."""
    if isinstance(row, CandidateRow):
        return 1, row.iteration, row.slot
    return 0, 0, 0
