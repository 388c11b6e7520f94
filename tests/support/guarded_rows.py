"""A made-up search as its guards leave it: validation, standings, an audit, a test, containers."""

import random
from dataclasses import replace
from functools import cache
from typing import Any

from flows.history.records import CandidateRow, EvaluationRow, EventRow, Json
from flows.report.data import ReportData
from tests.support.report_rows import AT, EXPERIMENT, search_rows

KEPT = 300
ALIKE = 20
"""So many attempts later another one has the same containers: to make them takes long."""


def guarded_rows(
    attempts: int = 12, scenarios: int = 3, *, model: bool = False, lines: int = 40, spans: int = 60
) -> ReportData:
    """The search of ``search_rows`` with every second scenario on validation, and its rulings."""
    data = search_rows(attempts, scenarios, model=model, lines=lines)
    names = {row.scenario for row in data.scenarios[1::2]}
    ruled = tuple(_ruled(row) for row in data.candidates)
    confirmed = {(row.iteration, row.slot) for row in ruled if row.standing}
    kept = [
        row
        for row in data.evaluations
        if row.scenario not in names or (row.iteration, row.slot) in confirmed
    ]
    return replace(
        data,
        scenarios=tuple(_moved(row, names) for row in data.scenarios),
        candidates=ruled,
        evaluations=tuple(_moved(_filled(row, spans), names) for row in kept),
        events=(
            *data.events,
            _event(2, "gap_alarm", "its train score is 30 % above validation", _last(data)),
            _event(3, "audit", "the same decisions in every_tick on 2 scenarios", _best(data)),
            _event(4, "test", f"better than every baseline on test: {_best(data).title}"),
        ),
    )


@cache
def containers(seed: int, spans: int, seconds: float = 300.0) -> Json:
    """What a simulation keeps of its containers."""
    rng = random.Random(seed)
    rows = []
    for number in range(min(spans, KEPT)):
        start = round(seconds * number / spans, 3)
        size = [rng.choice((1, 2, 4, 8)), rng.choice((4, 16, 64))]
        fate = rng.choice(("ok", "ok", "ok", "ok", "OOM", "timeout", "suspended", "running"))
        end = seconds if fate == "running" else round(min(seconds, start + rng.uniform(1, 40)), 3)
        rows.append([start, end, rng.randrange(2), *size, rng.randint(1, 3), fate])
    return {"created": spans, "spans": rows}


def _ruled(row: CandidateRow) -> CandidateRow:
    """Promote what improved; of the rest every third is refused, every seventh barred."""
    if row.score is None or row.outcome != "ok":
        return row
    detail, standing = "", ""
    if row.improved:
        standing = "promoted"
        detail = "12.3 % better (95 % confidence interval 4.1 to 20.7, 15 scenarios)"
    elif row.iteration and row.iteration % 7 == 0:
        standing, detail = "barred", "its train score is 30 % above validation, more than 15 %"
    elif row.iteration and row.iteration % 3 == 0:
        standing, detail = (
            "refused",
            "1.0 % better (95 % confidence interval 3.0 worse to 5.1 better, 15 scenarios)",
        )
    if not standing:
        return row
    return replace(
        row,
        standing=standing,
        standing_detail=detail,
        validation_score=round(row.score * 0.93, 4),
        gain_low_percent=4.1,
        gain_high_percent=20.7,
        gap_percent=1.5,
    )


def _moved(row: Any, names: set[str]) -> Any:
    return replace(row, split="validation") if row.scenario in names else row


def _filled(row: EvaluationRow, spans: int) -> EvaluationRow:
    if row.metrics is None:
        return row
    kept = containers(row.iteration % ALIKE + 100 * int(row.scenario[-1]), spans)
    timeline = {
        **row.metrics["timeline"],
        "oom_kills": [number % 50 // 49 for number in range(300)],
    }
    return replace(row, metrics={**row.metrics, "timeline": timeline, "containers": kept})


def _best(data: ReportData) -> CandidateRow:
    return [row for row in data.attempts if row.improved][-1]


def _last(data: ReportData) -> CandidateRow:
    return data.attempts[-1]


def _event(sequence: int, kind: str, message: str, about: CandidateRow | None = None) -> EventRow:
    return EventRow(
        experiment_id=EXPERIMENT,
        sequence=sequence,
        kind=kind,
        iteration=about.iteration if about else None,
        slot=about.slot if about else None,
        message=message,
        detail={},
        created_at=AT,
    )
