"""Any two attempts of the history beside each other, as the parts of a report show policies."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from flows.history.records import CandidateRow, EvaluationRow, ExperimentRow, ScenarioRow
from flows.history.store import Ask, Found
from flows.names import name_of
from flows.report.compare import Contender
from flows.report.data import ReportData, geometric_mean, in_order, installed, read_rows
from flows.report.page import Contest, contest_of
from flows.report.text import moment, number, one_line, score_text, short
from flows.untrusted import for_page
from sandbox.source import source_diff
from simulator.suites import SPLITS

PLACES = (0, 2)
"""Colours of the two."""
_AT = "WHERE experiment_id = ? AND iteration = ? AND slot = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two, in words."""

    name: str
    experiment_id: str
    experiment: str
    attempt: str
    called: str
    title: str
    """Empty where that is the name."""
    problem: str
    facts: tuple[tuple[str, str], ...]
    source: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairView:
    """What a page shows of two attempts; its parts are those of a report."""

    sides: tuple[Side, Side]
    note: str
    """Why there are no figures, or not all of them; empty otherwise."""
    diff: tuple[tuple[str, str], ...]
    """Lines of the difference between the sources, each with its kind."""
    contest: Contest
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Half:
    """The rows of one attempt, and of what it was tried on."""

    experiment: ExperimentRow
    candidate: CandidateRow
    scenarios: tuple[ScenarioRow, ...]
    evaluations: tuple[EvaluationRow, ...]


def compare_pair(ask: Ask, first: Found, second: Found) -> PairView:
    """Return two attempts beside each other, on the scenarios that both experiments have."""
    halves = (_half(ask, first), _half(ask, second))
    shared, note = _shared(*halves)
    data = _joined(halves, shared)
    rivals = tuple(
        Contender(name=f"{letter}: {short(name_of(row), 24)}", place=place, row=row)
        for letter, place, row in zip("AB", PLACES, data.candidates, strict=True)
    )
    contest = contest_of(data, rivals, rivals)
    sides = (_side("A", halves[0]), _side("B", halves[1]))
    return PairView(
        sides=sides,
        note=note,
        diff=_diff(halves, sides),
        contest=contest,
        payload={**contest.drawn, "drawings": {}},
    )


def _half(ask: Ask, found: Found) -> _Half:
    name, place = found.experiment_id, (found.experiment_id, found.iteration, found.slot)
    of_experiment = "WHERE experiment_id = ?"
    [experiment] = read_rows(
        ask, ExperimentRow, f"SELECT * FROM experiments {of_experiment}", (name,)
    )
    [candidate] = read_rows(ask, CandidateRow, f"SELECT * FROM candidates {_AT}", place)
    scenarios = read_rows(ask, ScenarioRow, f"SELECT * FROM scenarios {of_experiment}", (name,))
    tries = f"SELECT * FROM evaluations {_AT} AND attempt = 0"
    return _Half(
        experiment=experiment,
        candidate=candidate,
        scenarios=in_order(scenarios),
        evaluations=tuple(read_rows(ask, EvaluationRow, tries, _tried_at(candidate))),
    )


def _tried_at(row: CandidateRow) -> tuple[str, int, int]:
    """Return the place of the attempt whose evaluations a candidate has."""
    if row.duplicate_of is None:
        return row.experiment_id, row.iteration, row.slot
    iteration, _, slot = row.duplicate_of.partition("/")
    return row.experiment_id, int(iteration), int(slot)


def _shared(first: _Half, second: _Half) -> tuple[tuple[ScenarioRow, ...], str]:
    """Return the scenarios that are the same for both, and what a reader should know of them."""
    a, b = first.experiment, second.experiment
    if a.experiment_id == b.experiment_id:
        return first.scenarios, ""
    if (a.domain, a.objective) != (b.domain, b.objective):
        return (), (
            f"A was searched for {one_line(a.objective, 60)} of {one_line(a.domain, 60)}, B for "
            f"{one_line(b.objective, 60)} of {one_line(b.domain, 60)}: no figures of theirs can "
            "be compared"
        )
    other = {(row.scenario, row.sha256, row.baseline_policy) for row in second.scenarios}
    kept = tuple(
        row for row in first.scenarios if (row.scenario, row.sha256, row.baseline_policy) in other
    )
    if len(kept) == len(first.scenarios) == len(second.scenarios):
        return kept, ""
    return kept, (
        f"{len(kept)} scenarios are the same in both experiments ({len(first.scenarios)} of A, "
        f"{len(second.scenarios)} of B); figures are of those alone"
    )


def _joined(halves: Sequence[_Half], shared: tuple[ScenarioRow, ...]) -> ReportData:
    """Return rows as of one experiment whose attempts 1/0 and 2/0 are the two."""
    names = {row.scenario for row in shared}
    experiment = halves[0].experiment
    return ReportData(
        experiment=experiment,
        scenarios=shared,
        candidates=tuple(
            replace(half.candidate, iteration=number, slot=0)
            for number, half in enumerate(halves, start=1)
        ),
        evaluations=tuple(
            replace(row, iteration=number, slot=0)
            for number, half in enumerate(halves, start=1)
            for row in half.evaluations
            if row.scenario in names
        ),
        domain=installed(experiment.domain),
    )


def _side(letter: str, half: _Half) -> Side:
    row, experiment = half.candidate, half.experiment
    attempt = f"{row.iteration}/{row.slot}"
    line = f" (line {row.problem_line})" if row.problem_line else ""
    facts = (
        ("made by", row.origin if row.operator == row.origin else f"{row.origin}, {row.operator}"),
        ("outcome", row.outcome),
        ("standing", f"{row.standing}: {row.standing_detail}" if row.standing else ""),
        *((f"score on {split}", _score(half, split)) for split in SPLITS),
        ("seconds", number(row.seconds)),
        ("proposed", moment(row.created_at)),
        ("sha256", row.candidate or ""),
    )
    return Side(
        name=letter,
        experiment_id=experiment.experiment_id,
        experiment=one_line(experiment.name or experiment.experiment_id, 120),
        attempt=attempt,
        called=one_line(name_of(row), 80),
        title=one_line(row.title, 200) if row.title != name_of(row) else "",
        problem=one_line(f"{row.problem}{line}") if row.problem else "",
        facts=tuple((label, one_line(value, 300)) for label, value in facts if value),
        source=tuple(for_page(row.source or "").split("\n")),
    )


def _score(half: _Half, split: str) -> str:
    """Return the score of the search where it kept one, else that of the evaluations."""
    if split == SPLITS[0]:
        return score_text(half.candidate.score)
    scores = [row.score for row in half.evaluations if row.split == split]
    return score_text(geometric_mean(scores)) if scores else ""


def _diff(halves: Sequence[_Half], sides: Sequence[Side]) -> tuple[tuple[str, str], ...]:
    old, new = (half.candidate.source or "" for half in halves)
    names = (f"{side.name}: {side.experiment} {side.attempt}" for side in sides)
    lines = for_page(source_diff(old, new, *names)).split("\n")
    return tuple((_kind(line, place), line) for place, line in enumerate(lines))


def _kind(line: str, place: int) -> str:
    if place < 2 or line.startswith("@@"):
        return "hunk"
    return {"+": "plus", "-": "minus"}.get(line[:1], "")
