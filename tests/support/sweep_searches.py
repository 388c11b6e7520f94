"""The searches of a made-up sweep: three models and none, two seeds, one that has not begun."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from flows.report.data import ReportData
from flows.report.sweep import SweepSearch
from flows.settings.sweep import Member, SweepConfig
from tests.support.report_rows import AT, search_rows

KNOWN = {
    "duration_seconds": 300.0,
    "lower_bound_seconds": 1.0,
    "half_a_pipeline_per_hour": 0.1,
    "half_a_container_per_second": 0.1,
    "all_pipelines_late_seconds": 3000.0,
}
STATS = {"throughput": 1.0, "adjusted_latency": 100.0}


def sweep_searches(*models: str, attempts: int = 8) -> tuple[SweepSearch, ...]:
    """Return the searches; the last one has not begun."""
    config = SweepConfig.model_validate(
        {
            "name": "made up",
            "sweep": {"models": models or ("cheap", "strong"), "seeds": (1, 2), "offline": True},
        }
    )
    *begun, last = config.members()
    searches = [
        SweepSearch(
            member=each,
            experiment_id=f"made-up-{each.number}",
            status="finished",
            data=searched(each, attempts),
        )
        for each in begun
    ]
    return (*searches, SweepSearch(member=last, experiment_id="x", status="new", note="no room"))


def searched(member: Member, attempts: int = 8) -> ReportData:
    """Return the rows of one search, with what a score by any objective needs."""
    data = search_rows(attempts, seed=member.number, model=member.model != "offline")
    scenarios = [
        replace(
            row,
            figures={**row.figures, **KNOWN},
            baseline_stats=STATS,
            baseline_metrics={"weighted_latency_seconds": 4000.0, "pipelines_completed": 50.0},
        )
        for row in data.scenarios
    ]
    evaluations = tuple(_with_stats(row) for row in data.evaluations)
    began = datetime.fromisoformat(AT)
    candidates = tuple(
        replace(row, created_at=(began + timedelta(seconds=10 * row.iteration)).isoformat())
        for row in data.candidates
    )
    return replace(data, scenarios=tuple(scenarios), evaluations=evaluations, candidates=candidates)


def _with_stats(row: Any) -> Any:
    better = {name: value * 2.0 for name, value in STATS.items()}
    return replace(row, stats=better if row.metrics is not None else None)
