"""What a report is made from: the rows of one experiment and the questions all parts ask."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from flows.records import (
    ArtifactRow,
    CandidateRow,
    EvaluationRow,
    EventRow,
    ExperimentRow,
    LlmCallRow,
    PromptRow,
    ScenarioRow,
)

Slot = tuple[int, int]
"""(iteration, slot) of an attempt."""

PRIORITIES = ("query", "interactive", "batch", "all")


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


def pick_best(candidates: Iterable[CandidateRow]) -> CandidateRow | None:
    """The best attempt that is not a baseline.

    An attempt that beats every baseline counts only if the search accepted it as an improvement:
    it refuses implausible scores. Among the rest only attempts that failed nowhere count.
    """
    rows = list(candidates)
    attempts = [row for row in rows if row.origin != "baseline" and row.score is not None]
    bar = max((row.score or 0.0 for row in rows if row.origin == "baseline"), default=math.inf)
    accepted = [row for row in attempts if row.improved]
    others = [row for row in attempts if row.outcome == "ok" and (row.score or 0.0) <= bar]
    pool = accepted or others
    return max(pool, key=lambda row: (row.score or 0.0, -row.iteration, -row.slot), default=None)


def slot_of(row: CandidateRow | EvaluationRow | LlmCallRow) -> Slot:
    """Which attempt a row belongs to."""
    return row.iteration, row.slot


def slot_name(slot: Slot) -> str:
    """``12/0``: how the report and the history call an attempt."""
    return f"{slot[0]}/{slot[1]}"


def source_line(source: str | None, line: int | None) -> str:
    """One line of a policy's source, or nothing if there is none of that number."""
    if source is None or line is None:
        return ""
    lines = source.splitlines()
    return lines[line - 1].strip() if 1 <= line <= len(lines) else ""


def geometric_mean(values: Iterable[float | None]) -> float | None:
    """The geometric mean; None without values or if one is missing; 0 if one is 0."""
    numbers = list(values)
    present = [value for value in numbers if value is not None]
    if not numbers or len(present) != len(numbers):
        return None
    if any(value <= 0 for value in present):
        return 0.0
    return math.exp(math.fsum(math.log(value) for value in present) / len(present))
