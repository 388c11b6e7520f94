"""The memory of one experiment, built from recorded rows: a resumed search knows the same."""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path
from statistics import fmean
from typing import Any

from flows.attempt import SeenAttempt
from flows.history.journal import read_rows
from flows.history.records import (
    RUNNING,
    CandidateRow,
    EvaluationRow,
    EventRow,
    ExperimentRow,
    Key,
    LlmCallRow,
    PromptRow,
    Row,
    ScenarioRow,
    format_key,
    key_of,
    parse_key,
)
from flows.judging.guards import BARRED, STOPPED, Figures, guarded_figures
from flows.judging.leaderboard import verdict_of
from flows.judging.objectives import Reference
from flows.judging.scoring import behaviour, normalised_sha256
from flows.judging.splits import TEST, TRAIN
from flows.names import name_from, name_of
from flows.prompting.excess import THINNED, thinned, width_for
from flows.proposers.refusals import FINAL
from flows.search.budget import Spend, spent_with
from flows.search.progress import SearchResult
from sandbox.outcome import Evaluation, Finding, Outcome, Problem
from sandbox.source import source_line
from simulator.domain_spec import Metric

SHORT_LIST = 10
"""A list of at most so many items is kept as it is."""


class Ledger:
    """Absorbs rows in the order they are recorded and answers the loop's questions about them."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self.experiment: ExperimentRow | None = None
        self.scenarios: dict[str, ScenarioRow] = {}
        self.candidates: dict[Key, CandidateRow] = {}
        self.tests: list[EventRow] = []
        """Each time that the test scenarios were touched, with the figures."""
        self.acceptance: list[EventRow] = []
        """What followed a search for a simulator."""
        self.next_event = 0
        self._promoted: list[CandidateRow] = []
        self._evaluations: dict[Key, list[EvaluationRow]] = {}
        self._tries: dict[Key, int] = {}
        self._attempts: dict[Key, SeenAttempt] = {}
        self._sources: dict[str, Key] = {}
        self._names: dict[str | None, str] = {}
        """Of candidates by their sha256."""
        self._behaviours: dict[tuple[tuple[str, str], ...], Key] = {}
        self._prompts: set[str] = set()
        self._lost: set[Key] = set()
        self._events: set[tuple[str, Key | None, str]] = set()
        self._last_event: EventRow | None = None
        self._calls: list[LlmCallRow] = []
        self._spend = Spend()
        for row in sorted(rows, key=_recording_order):
            self.absorb(row)
        self._complete_the_end()

    @property
    def best(self) -> CandidateRow | None:
        """The last one that was promoted."""
        return self._promoted[-1] if self._promoted else None

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
            cut_short=self._cut_short(),
            spend=spend,
            already_done=already_done,
            verdict=verdict_of(self.baselines(), self.best, self.tests),
            test=self.tests[-1].detail if self.tests else {},
        )

    def _cut_short(self) -> bool:
        """Return whether losses kept the experiment from trying the candidates of its budget."""
        assert self.experiment is not None, "an experiment is recorded before anything else"
        wanted = (self.experiment.config.get("budget") or {}).get("candidates", 0)
        lost_last = max(self._lost, default=(0, 0)) > max(self.candidates, default=(0, 0))
        losses = lost_last or self.experiment.status == "finished_with_losses"
        return losses and self.tried() < wanted

    def absorb(self, row: Row) -> None:
        """Remember one row; evaluations come before the candidate that they belong to."""
        row = without_drawings(row)
        self._spend = spent_with(self._spend, row)
        match row:
            case ExperimentRow():
                self.experiment = row
                self._last_event = None  # what came before belongs to another run
            case ScenarioRow():
                self.scenarios[row.scenario] = row
            case EvaluationRow():
                self._evaluations.setdefault((row.iteration, row.slot), []).append(row)
            case CandidateRow():
                self._absorb_candidate(row)
            case PromptRow():
                self._prompts.add(row.prompt_sha256)
            case EventRow():
                self._absorb_event(row)
            case LlmCallRow():
                self._calls.append(row)
            case _:
                pass

    def attempts(self) -> tuple[SeenAttempt, ...]:
        """Return all attempts in order of (iteration, slot)."""
        return tuple(self._attempts[key] for key in sorted(self._attempts))

    def attempt(self, key: Key) -> SeenAttempt:
        """Return the attempt recorded under ``key``."""
        return self._attempts[key]

    def evaluations(self, key: Key) -> tuple[Evaluation, ...]:
        """Return the scored evaluations of an attempt, those of its original for a duplicate."""
        return self._attempts[key].evaluations

    def named(self, row: CandidateRow) -> CandidateRow:
        """Return the row with a name that no other candidate has."""
        others = {name for key, name in self._names.items() if key != row.candidate}
        return replace(row, name=name_from(row.candidate, row.origin, row.title, others))

    def same_source(self, source: str) -> Key | None:
        """Return the first attempt with the same normalised source."""
        return self._sources.get(normalised_sha256(source))

    def same_behaviour(self, evaluations: Sequence[Evaluation]) -> Key | None:
        """Return the first attempt that decided the same everywhere."""
        marks = behaviour(evaluations)
        return self._behaviours.get(marks) if marks is not None else None

    def references(self, split: str | None = None) -> dict[str, Reference]:
        """Return the reference of each scenario on which the reference policy was tried."""
        return {
            name: Reference(
                metrics=row.baseline_metrics, stats=row.baseline_stats, known=row.figures
            )
            for name, row in self.scenarios.items()
            if split in (None, row.split)
        }

    def figures(self, key: Key, deciding: str, guarded: Sequence[Metric]) -> Figures:
        """Return the figures of an attempt on train and on the scenarios that decide."""
        scored = self.scored(key)
        decisive = {name: row for name, row in scored.items() if row.split == deciding}
        return Figures(
            title=self.candidates[key].title if key[0] == 0 else format_key(key),
            train={n: row.score or 0.0 for n, row in scored.items() if row.split == TRAIN},
            deciding={name: row.score or 0.0 for name, row in decisive.items()},
            guarded=guarded_figures(decisive.values(), guarded),
        )

    def scored(self, key: Key) -> dict[str, EvaluationRow]:
        """Return the scored evaluations of an attempt by scenario, whatever their split."""
        rows = self._evaluations.get(key, [])
        return {row.scenario: row for row in rows if row.attempt == 0}

    def complete_before(
        self, iteration: int, scenarios: Sequence[str]
    ) -> dict[Key, dict[str, float]]:
        """Return the scores by scenario of earlier attempts that ended well in all ``scenarios``.

        Repeats of an earlier attempt and what was barred are left out.
        """
        found = {}
        for key in sorted(self.candidates):
            row = self.candidates[key]
            if key[0] >= iteration or row.score is None or row.outcome != Outcome.OK:
                continue
            if row.duplicate_of is not None or row.standing == BARRED:
                continue
            scored = self.scored(key)
            if all(name in scored for name in scenarios):
                found[key] = {name: scored[name].score or 0.0 for name in scenarios}
        return found

    def stopped_before(self, iteration: int) -> dict[Key, int]:
        """Return after how many train scenarios earlier attempts were stopped; without repeats."""
        return {
            key: sum(each.split == TRAIN for each in self.scored(key).values())
            for key, row in self.candidates.items()
            if key[0] < iteration and row.standing == STOPPED and row.duplicate_of is None
        }

    def calls_before(self, iteration: int, scenarios: Sequence[str]) -> dict[str, float]:
        """Return the mean number of policy calls in each of ``scenarios``, over earlier attempts.

        Only tries that ended well count.
        """
        calls: dict[str, list[int]] = {name: [] for name in scenarios}
        for key in self.candidates:
            if key[0] < iteration:
                for name, row in self.scored(key).items():
                    if name in calls and row.outcome == Outcome.OK:
                        calls[name].append(row.policy_calls)
        return {name: fmean(each or [0]) for name, each in calls.items()}

    def baselines(self) -> list[CandidateRow]:
        """Return the library policies that were tried, in their order."""
        return [row for key, row in sorted(self.candidates.items()) if key[0] == 0]

    def calls_of(self, key: Key) -> tuple[LlmCallRow, ...]:
        """Return the recorded requests to a model for one slot."""
        return tuple(call for call in self._calls if (call.iteration, call.slot) == key)

    def unused_replies(self) -> set[Key]:
        """Return the slots whose reply of a model is recorded and whose attempt is not."""
        answered = (row for row in self._calls if row.outcome in FINAL and not row.replayed)
        return {(row.iteration, row.slot) for row in answered} - set(self.candidates)

    def knows_prompt(self, sha256: str) -> bool:
        return sha256 in self._prompts

    def knows_event(self, kind: str, key: Key | None, message: str) -> bool:
        """Return whether the very same event is recorded, by a run that was killed after it."""
        return (kind, key, message) in self._events

    def tested(self, seed: int | None) -> list[EventRow]:
        """Return each use of one test: the suite's own, or the fresh one of a seed."""
        return [row for row in self.tests if row.detail.get("seed") == seed]

    def tried(self) -> int:
        """Return how many attempts are recorded, baselines not counted."""
        return sum(iteration > 0 for iteration, _ in self.candidates)

    def spend(self) -> Spend:
        """Return what all runs so far have used, except time."""
        return self._spend

    def spend_before(self, iteration: int) -> Spend:
        """Return what was used when ``iteration`` began."""
        calls = (row for row in self._calls if row.iteration < iteration)
        return replace(
            reduce(spent_with, calls, Spend()),
            candidates=sum(0 < key[0] < iteration for key in self.candidates),
            evaluations=sum(n for key, n in self._tries.items() if key[0] < iteration),
        )

    def lost(self) -> int:
        """Return how many lost attempts no later run has made."""
        return len(self._lost - set(self.candidates))

    def best_before(self, iteration: int) -> SeenAttempt | None:
        """Return the attempt that was the best when ``iteration`` began."""
        promoted = [row for row in self._promoted if row.iteration < iteration]
        return self._attempts[key_of(promoted[-1])] if promoted else None

    def next_iteration(self) -> int:
        """Return the first iteration that may have slots to fill."""
        return max([1, *(iteration for iteration, _ in self.candidates)])

    def _absorb_candidate(self, row: CandidateRow) -> None:
        key = (row.iteration, row.slot)
        self.candidates[key] = row
        if row.improved and all(key_of(each) != key for each in self._promoted):
            self._promoted.append(row)
        if row.iteration > 0:
            self._count_tries(key)
        evaluations = self._own_evaluations(key, row)
        self._attempts[key] = make_attempt(row, evaluations)
        self._names.setdefault(row.candidate, name_of(row))
        if row.source is not None:
            self._sources.setdefault(normalised_sha256(row.source), key)
        marks = behaviour(evaluations)
        if marks is not None and row.outcome == Outcome.OK:
            self._behaviours.setdefault(marks, key)

    def _count_tries(self, key: Key) -> None:
        """Count the tries of an attempt: one that was killed between two rows has some twice."""
        rows = (row for row in self._evaluations.get(key, ()) if row.split != TEST)
        tries, counted = len({(row.scenario, row.attempt) for row in rows}), self._tries.get(key, 0)
        self._tries[key] = tries
        used = self._spend.evaluations + tries - counted
        self._spend = replace(self._spend, evaluations=used)

    def _own_evaluations(self, key: Key, row: CandidateRow) -> tuple[Evaluation, ...]:
        rows = [each for each in self.scored(key).values() if each.split == TRAIN]
        if not rows and row.duplicate_of is not None:
            return self._attempts[parse_key(row.duplicate_of)].evaluations
        return tuple(make_evaluation(each, row.source or "") for each in rows)

    def _complete_the_end(self) -> None:
        """Take an end as recorded whose event is the last, though its run was killed after that."""
        event, experiment = self._last_event, self.experiment
        if event is None or experiment is None or experiment.status != RUNNING:
            return
        status = event.detail.get("status")
        if status is not None:
            self.experiment = replace(
                experiment,
                status=status,
                status_detail=event.message,
                finished_at=event.created_at,
            )

    def _absorb_event(self, row: EventRow) -> None:
        if row.sequence >= self.next_event:
            self.next_event, self._last_event = row.sequence + 1, row
        key = None if row.iteration is None else (row.iteration, row.slot or 0)
        self._events.add((row.kind, key, row.message))
        if row.kind == "attempt_lost" and row.iteration is not None:
            self._lost.add((row.iteration, row.slot or 0))
        if row.kind in ("acceptance", "acceptance_step"):
            self.acceptance.append(row)
        if row.kind == "test":
            self.tests.append(row)


def recorded(home: Path, experiment_id: str) -> tuple[Row, ...]:
    """Return the recorded rows of an experiment for a ledger, never all with their drawings."""
    return tuple(read_rows(home, experiment_id, without_drawings))


def _recording_order(row: Row) -> tuple[int, int, str, int]:
    """Sort evaluations before candidates, candidates by iteration and then as they were decided.

    A slot that was lost and made up for in a later run was decided after its neighbours.
    """
    if isinstance(row, CandidateRow):
        return 1, row.iteration, row.created_at, row.slot
    return 0, 0, "", 0


def make_attempt(row: CandidateRow, evaluations: tuple[Evaluation, ...]) -> SeenAttempt:
    """Return the attempt that a candidate's row and its evaluations on train describe."""
    return SeenAttempt(
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
        stopped=row.standing_detail if row.standing == STOPPED else "",
    )


def make_evaluation(row: EvaluationRow, source: str) -> Evaluation:
    """Return the evaluation that a row keeps."""
    problem = None
    if row.problem is not None:
        problem = Problem(
            message=row.problem,
            line=row.problem_line,
            step=row.problem_step,
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
    """Return the row with little of the lists in its metrics, which are most of its size.

    Curves are thinned to what says where costs arise; of other lists, short ones are kept. The
    history has them all: a report draws them.
    """
    if not isinstance(row, EvaluationRow) or row.metrics is None:
        return row
    return replace(row, metrics=without_long_lists(row.metrics))


def without_long_lists(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values with thin curves and short lists, without tables of nothing else."""
    kept: dict[str, Any] = {}
    curves = {name: each for name, each in values.items() if _is_curve(each)}
    width = width_for(max(map(len, curves.values()), default=0))
    for name, value in values.items():
        if name in curves:
            kept[name] = array("f", thinned(value, width))
        elif isinstance(value, dict) and value:
            table = without_long_lists(value)
            if table:
                kept[name] = table
        elif not isinstance(value, list) or len(value) <= SHORT_LIST:
            kept[name] = value
    if width > 1:
        kept[THINNED] = width
    return kept


def _is_curve(value: object) -> bool:
    if not isinstance(value, list) or len(value) <= SHORT_LIST:
        return False
    return all(isinstance(each, int | float) for each in value)
