"""What a report is made from: the rows of one experiment, and what all its parts ask of them."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from datetime import datetime
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from flows.errors import UserError
from flows.history.records import (
    ArtifactRow,
    CandidateRow,
    EvaluationRow,
    EventRow,
    ExperimentRow,
    LlmCallRow,
    PromptRow,
    ScenarioRow,
)
from flows.history.store import Ask, answers
from flows.judging import scoring
from flows.judging.leaderboard import scores_on_test
from flows.prompting.differences import differences
from simulator.domain import BOOTSTRAP, Domain, find_domain
from simulator.domain_spec import DomainSpec, Objective, spec_from
from simulator.errors import InputError
from simulator.suites import SPLITS

Slot = tuple[int, int]
"""(iteration, slot) of an attempt."""

MAX_DRAWN_SCENARIOS = 48

R = TypeVar("R")

JSON_FIELDS = {
    "size",
    "figures",
    "config",
    "domain_spec",
    "params",
    "baseline_stats",
    "baseline_metrics",
    "findings",
    "parents",
    "metrics",
    "stats",
    "messages",
    "detail",
}


class ReportError(UserError):
    """A report that cannot be written; the message says why and what to do."""


PROMPTS = """
    SELECT * FROM prompts WHERE prompt_sha256 IN (
        SELECT prompt_sha256 FROM candidates WHERE experiment_id = ?
        UNION SELECT prompt_sha256 FROM llm_calls WHERE experiment_id = ?
    ) ORDER BY prompt_sha256
"""


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """One experiment's rows. Only baselines and the best attempt need their ``metrics`` filled."""

    experiment: ExperimentRow
    scenarios: tuple[ScenarioRow, ...]
    candidates: tuple[CandidateRow, ...]
    """In the order of their attempts, baselines first."""
    evaluations: tuple[EvaluationRow, ...]
    calls: tuple[LlmCallRow, ...] = ()
    prompts: tuple[PromptRow, ...] = ()
    events: tuple[EventRow, ...] = ()
    artifacts: tuple[ArtifactRow, ...] = ()
    cost_lines: Mapping[Slot, Sequence[str]] = field(default_factory=dict)
    """Where the cost of attempts arises, in words."""
    domain: Domain | None = None
    """Of the same name, if one is installed here: for what its code adds to the page."""
    alive: bool | None = None
    """Whether a process works on the search; None where nobody has looked."""

    @cached_property
    def spec(self) -> DomainSpec:
        """The names, units and panels of what was searched, as they were then."""
        experiment = self.experiment
        try:
            return spec_from(experiment.domain_spec, f"domain {experiment.domain!r}")
        except InputError as error:
            raise ReportError(
                f"experiment {experiment.experiment_id!r} does not say what its figures mean, so "
                f"there can be no page about it: {error}"
            ) from None

    @cached_property
    def objective(self) -> Objective | None:
        """What the search improved; None where the domain has no such objective any more."""
        name = self.experiment.objective
        return next((each for each in self.spec.objectives if each.name == name), None)

    @cached_property
    def reference(self) -> str:
        """The policy whose score is 1 by definition."""
        return self.scenarios[0].baseline_policy if self.scenarios else self.spec.reference

    @cached_property
    def baselines(self) -> tuple[CandidateRow, ...]:
        """The policies everything is compared with."""
        return tuple(row for row in self.candidates if row.origin == "baseline")

    @cached_property
    def attempts(self) -> tuple[CandidateRow, ...]:
        """What the search itself tried."""
        return tuple(row for row in self.candidates if row.origin != "baseline")

    @cached_property
    def best(self) -> CandidateRow | None:
        """The attempt to show: see ``pick_best``."""
        return pick_best(self.candidates)

    @cached_property
    def promoted_last(self) -> Slot | None:
        """What the search holds for its best, a baseline perhaps; None where nothing was ruled."""
        promoted = (slot_of(row) for row in self.candidates if row.improved)
        return max(promoted, default=None) if self.guarded else None

    @cached_property
    def best_baseline(self) -> CandidateRow | None:
        """The baseline to beat: the best on validation, or on train where that was not tried."""
        scored = [row for row in self.baselines if row.score is not None]
        return max(scored, key=worth, default=None)

    @cached_property
    def of_simulators(self) -> bool:
        """Whether simulators were searched and not policies."""
        return str(self.experiment.config.get("domain")).startswith(f"{BOOTSTRAP}:")

    @property
    def sought(self) -> str:
        """What was searched, in a word."""
        return "simulator" if self.of_simulators else "policy"

    @cached_property
    def test(self) -> EventRow | None:
        """The last final test; its detail has the figures."""
        tests = [event for event in self.events if event.kind == "test"]
        return tests[-1] if tests else None

    @cached_property
    def tested(self) -> dict[str, float]:
        """The scores on test of the best and of the best baseline, by candidate."""
        return scores_on_test(self.test.detail) if self.test is not None else {}

    @cached_property
    def differences(self) -> dict[Slot, str]:
        """How each attempt differs from what it was made from, in a sentence."""
        space = self.domain.hosted("space") if self.domain is not None else None
        return differences(self.candidates, space)

    @cached_property
    def guarded(self) -> bool:
        """Whether the search decided who is promoted by its guards."""
        return any(row.standing for row in self.candidates)

    @cached_property
    def drawn(self) -> tuple[ScenarioRow, ...]:
        """The scenarios that get drawings of their own: not more than a page can bear."""
        return self.scenarios[:MAX_DRAWN_SCENARIOS]

    def shared(self, rows: Sequence[CandidateRow]) -> tuple[ScenarioRow, ...]:
        """The scenarios on which all of ``rows`` were tried, failed or not."""
        slots = [slot_of(row) for row in rows]
        return tuple(
            scenario
            for scenario in self.scenarios
            if all((slot, scenario.scenario) in self.scored for slot in slots)
        )

    @cached_property
    def scored(self) -> dict[tuple[Slot, str], EvaluationRow]:
        """The scored evaluation of each (attempt, scenario)."""
        rows = (row for row in self.evaluations if row.attempt == 0)
        return {((row.iteration, row.slot), row.scenario): row for row in rows}

    @cached_property
    def by_slot(self) -> dict[Slot, CandidateRow]:
        """Every attempt by its (iteration, slot)."""
        return {slot_of(row): row for row in self.candidates}

    @cached_property
    def by_candidate(self) -> dict[str, CandidateRow]:
        """The first attempt that held each source."""
        rows: dict[str, CandidateRow] = {}
        for row in self.candidates:
            if row.candidate is not None:
                rows.setdefault(row.candidate, row)
        return rows

    @cached_property
    def prompt_by_sha256(self) -> dict[str, PromptRow]:
        """Every prompt by its name."""
        return {row.prompt_sha256: row for row in self.prompts}

    @cached_property
    def tries(self) -> dict[Slot, list[EvaluationRow]]:
        """All evaluations of each attempt, repeats included, in the order of the scenarios."""
        place = {row.scenario: index for index, row in enumerate(self.scenarios)}
        groups: dict[Slot, list[EvaluationRow]] = {}
        for row in sorted(
            self.evaluations,
            key=lambda row: (place.get(row.scenario, len(place)), row.scenario, row.attempt),
        ):
            groups.setdefault(slot_of(row), []).append(row)
        return groups


def load(home: Path, experiment_id: str) -> ReportData:
    """Read the rows of one experiment; figures only where the page shows them."""
    return answers(home, lambda ask: loaded(ask, home, experiment_id))


def loaded(ask: Ask, home: Path, experiment_id: str) -> ReportData:
    """Return the rows of one experiment of the history in ``home``, of which ``ask`` answers."""
    known = [str(row[0]) for row in ask("SELECT experiment_id FROM experiments").rows]
    if experiment_id not in known:
        raise ReportError(_unknown(home, experiment_id, known))
    experiment = _rows(ask, ExperimentRow, "experiments", experiment_id)[0]
    candidates = _rows(ask, CandidateRow, "candidates", experiment_id, "iteration, slot")
    best = pick_best(candidates)
    best_slot = (best.iteration, best.slot) if best else (-1, -1)
    slim = (
        "SELECT * EXCLUDE (metrics, stats), "
        "CASE WHEN shown THEN metrics END AS metrics, CASE WHEN shown THEN stats END AS stats "
        "FROM (SELECT *, attempt = 0 AND (? OR iteration = 0 OR (iteration = ? AND slot = ?)) "
        "AS shown FROM evaluations WHERE experiment_id = ?) "
        "ORDER BY iteration, slot, scenario, attempt"
    )
    of_simulators = str(experiment.config.get("domain")).startswith(f"{BOOTSTRAP}:")
    return ReportData(
        experiment=experiment,
        scenarios=in_order(_rows(ask, ScenarioRow, "scenarios", experiment_id)),
        candidates=tuple(candidates),
        evaluations=tuple(
            read_rows(ask, EvaluationRow, slim, (of_simulators, *best_slot, experiment_id))
        ),
        calls=tuple(_rows(ask, LlmCallRow, "llm_calls", experiment_id, "iteration, slot, attempt")),
        prompts=tuple(read_rows(ask, PromptRow, PROMPTS, (experiment_id,) * 2)),
        events=tuple(_rows(ask, EventRow, "events", experiment_id, "sequence")),
        artifacts=tuple(_rows(ask, ArtifactRow, "artifacts", experiment_id, "created_at")),
        domain=installed(experiment.domain),
    )


def installed(name: str) -> Domain | None:
    """Return the domain of a name. A folder that a history names is not opened: it runs code."""
    try:
        return find_domain(name) if re.fullmatch(r"[a-z0-9_-]+", name) else None
    except InputError:
        return None


def pick_best(candidates: Iterable[CandidateRow]) -> CandidateRow | None:
    """The attempt to compare with the baselines; never a baseline.

    It is the last that was promoted. Without one it is the best that failed nowhere; in a search,
    what was barred, and what beats every baseline and was not ruled on, may be too good to be true.
    What repeats an earlier attempt was not tried itself, so that there is nothing to draw of it.
    """
    rows = list(candidates)
    attempts = [
        row
        for row in rows
        if row.origin != "baseline" and row.score is not None and row.duplicate_of is None
    ]
    bar = max((row.score or 0.0 for row in rows if row.origin == "baseline"), default=math.inf)
    if not any(row.improved or row.standing for row in rows):  # a folder, or a client's policies
        return _best_of(row for row in attempts if row.outcome == "ok")
    promoted = [row for row in attempts if row.improved]
    if any(row.standing for row in promoted):
        return max(promoted, key=slot_of)
    others = [
        row
        for row in attempts
        if row.outcome == "ok" and (row.standing == "refused" or (row.score or 0.0) <= bar)
    ]
    return _best_of(promoted or [row for row in others if row.standing != "barred"])


def _best_of(rows: Iterable[CandidateRow]) -> CandidateRow | None:
    """The row with the highest score, the first of equal ones."""
    return max(rows, key=lambda row: (row.score or 0.0, -row.iteration, -row.slot), default=None)


def worth(row: CandidateRow) -> float:
    """The score that counts: on validation where it was tried there."""
    return (row.score if row.validation_score is None else row.validation_score) or 0.0


def in_order(scenarios: Iterable[ScenarioRow]) -> tuple[ScenarioRow, ...]:
    """Scenarios by split, in the order in which a search comes to them, then by name."""
    places = {split: place for place, split in enumerate(SPLITS)}
    return tuple(
        sorted(scenarios, key=lambda row: (places.get(row.split, len(SPLITS)), row.scenario))
    )


def slot_of(row: CandidateRow | EvaluationRow | LlmCallRow) -> Slot:
    """Which attempt a row belongs to."""
    return row.iteration, row.slot


def slot_name(slot: Slot) -> str:
    """``12/0``: how the report and the history call an attempt."""
    return f"{slot[0]}/{slot[1]}"


def geometric_mean(values: Iterable[float | None]) -> float | None:
    """The geometric mean; None without values or if one is missing; 0 if one is 0."""
    numbers = list(values)
    present = [value for value in numbers if value is not None]
    if not numbers or len(present) != len(numbers):
        return None
    if any(value <= 0 for value in present):
        return 0.0
    return scoring.geometric_mean(present)


def parent_rows(data: ReportData, row: CandidateRow) -> list[CandidateRow]:
    """The attempts that a candidate was made from; only earlier ones, so there is no circle."""
    found = [data.by_candidate.get(parent) for parent in row.parents]
    return [item for item in found if item is not None and slot_of(item) < slot_of(row)]


def _rows(
    ask: Ask, kind: type[R], table: str, experiment_id: str, order: str = "experiment_id"
) -> list[R]:
    sql = f"SELECT * FROM {table} WHERE experiment_id = ? ORDER BY {order}"
    return read_rows(ask, kind, sql, (experiment_id,))


def read_rows(ask: Ask, kind: type[R], sql: str, params: Sequence[object]) -> list[R]:
    """Return the answer to ``sql`` as rows of a kind, without columns that it does not know."""
    table = ask(sql, params)
    known = {each.name: each.default for each in fields(kind)}  # type: ignore[arg-type]
    return [
        kind(
            **{
                column: _value(column, value)
                for column, value in zip(table.columns, row, strict=True)
                if column in known and (value is not None or known[column] is MISSING)
            }
        )
        for row in table.rows
    ]


def _value(column: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if column in JSON_FIELDS and isinstance(value, str):
        return json.loads(value)
    return value


def _unknown(home: Path, experiment_id: str, known: Sequence[str]) -> str:
    near = get_close_matches(experiment_id, known, n=1) or known[-1:]
    hint = f"did you mean {near[0]!r}?" if near else "start one with: assay run"
    return f"experiment {experiment_id!r} is not in the history of {home}; {hint}"
