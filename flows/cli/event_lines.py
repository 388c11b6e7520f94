"""A search as JSON, one object for each event: what ``assay run --json`` prints."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from flows.experiment import Finished
from flows.history.records import CandidateRow, format_key
from flows.search.budget import Spend
from flows.search.watching import Began, Happening, Lost, Notice, Settled, Working

FIGURES = (
    "candidate", "title", "origin", "operator", "outcome", "score", "validation_score",
    "standing", "standing_detail", "gain_low_percent", "gain_high_percent", "gap_percent",
    "improved", "problem", "problem_line", "duplicate_of",
)  # fmt: skip


INNER = ("largest_", "reserve")
"""What only reserving needs."""


def event_lines(happening: Happening) -> list[str]:
    """Return the lines for ``happening``: none, one, or two for a new best."""
    return [json.dumps(each, allow_nan=False) for each in _events(happening)]


def ended_line(finished: Finished) -> str:
    """Return the last line of a search that came to an end, with its whole result."""
    result = finished.result
    ended = {
        "event": "ended",
        "experiment": result.experiment_id,
        "status": result.status,
        "detail": result.status_detail,
        "already_done": result.already_done,
        "verdict": result.verdict,
        "test": dict(result.test),
        "best": _attempt(result.best) if result.best is not None else None,
        "tried": sum(row.iteration > 0 for row in result.candidates),
        "promoted": promotions(result.candidates),
        "lost": result.lost,
        "spend": _spend(result.spend),
        "best_policy": str(finished.best_policy) if finished.best_policy else None,
        "report": str(finished.report) if finished.report else None,
    }
    return json.dumps(ended, allow_nan=False)


def interrupted_line(experiment: str, command: str) -> str:
    """Return the last line of a search that was stopped by hand."""
    return json.dumps({"event": "interrupted", "experiment": experiment, "continue": command})


def promotions(candidates: Sequence[CandidateRow]) -> int:
    """Return how many candidates became the best in their turn."""
    return sum(row.improved for row in candidates if row.iteration > 0)


def _events(happening: Happening) -> list[dict[str, Any]]:
    match happening:
        case Began():
            return [_begun(happening)]
        case Settled(row=row, best=best, spend=spend):
            attempt = _attempt(row)
            settled = {"seconds": row.seconds, "best": _short(best), "spend": _spend(spend)}
            events = [{"event": "candidate", **attempt, **settled}]
            if row.improved:
                events.append({"event": "new_best", **attempt})
            return events
        case Lost(iteration=iteration, slot=slot, message=message):
            return [{"event": "lost", "attempt": format_key((iteration, slot)), "message": message}]
        case Notice(message=message):
            return [{"event": "notice", "message": message}]
        case Working():
            return []


def _begun(began: Began) -> dict[str, Any]:
    config = began.config
    return {
        "event": "begun",
        "experiment": began.experiment_id,
        "resumed": began.resumed,
        "recorded": len(began.earlier),
        "suite": config.suite,
        "scenarios": began.scenarios,
        "candidates": config.budget.candidates,
        "strategy": config.strategy,
        "objective": config.objective,
        "proposer": config.proposer.kind,
        "slots": config.slots,
        "seed": config.seed,
    }


def _attempt(row: CandidateRow) -> dict[str, Any]:
    figures = {name: getattr(row, name) for name in FIGURES}
    return {"attempt": format_key((row.iteration, row.slot)), **figures}


def _short(row: CandidateRow | None) -> dict[str, Any] | None:
    if row is None:
        return None
    key = format_key((row.iteration, row.slot))
    return {"attempt": key, "score": row.score, "validation_score": row.validation_score}


def _spend(spend: Spend) -> dict[str, Any]:
    return {key: value for key, value in asdict(spend).items() if not key.startswith(INNER)}
