"""A history whose figures on test and on validation are unlike any other number in it."""

from pathlib import Path

from flows.history.records import Row
from tests.support.history_rows import (
    artifact,
    call,
    candidate,
    evaluation,
    event,
    experiment,
    prompt,
    remember,
    scenario,
)

ON_TEST, ON_VALIDATION = 777.125, 555.125
"""Figures that stand nowhere but in what is held back."""


def remember_secrets(home: Path) -> Path:
    """Write a history with a tested search and a folder that was tried on test; returns it."""
    secret = {"score": ON_TEST, "cost": ON_TEST, "stats": {"x": ON_TEST}, "metrics": {"x": ON_TEST}}
    hint = {"score": ON_VALIDATION, "cost": ON_VALIDATION, "metrics": {"x": ON_VALIDATION}}
    search: list[Row] = [
        experiment(status_detail=f"the best has {ON_TEST} on test"),
        scenario(),
        scenario(scenario="last", split="test", baseline_metrics={"x": ON_TEST}),
        scenario(scenario="held", split="validation", baseline_metrics={"x": ON_VALIDATION}),
        evaluation(),
        evaluation(scenario="held", split="validation", **hint),
        evaluation(scenario="last", split="test", prints=f"{ON_TEST}", **secret),
        event(kind="test", message=f"{ON_TEST} better", detail={"score": ON_TEST}),
        event(sequence=2, kind="acceptance", message=f"{ON_TEST}"),
        event(sequence=3, kind="finished", message=f"{ON_TEST} on test"),
        event(sequence=4, kind="unheard-of", message=f"{ON_TEST}"),
        event(sequence=5, kind="new_best", message=f"{ON_VALIDATION} better"),
        event(sequence=6, kind="started", message="the search starts"),
        call(),
        prompt(),
        artifact(),
        candidate(
            improved=True,
            standing="promoted",
            standing_detail=f"{ON_VALIDATION}",
            validation_score=ON_VALIDATION,
            gain_low_percent=ON_VALIDATION,
            gain_high_percent=ON_VALIDATION,
            gap_percent=ON_VALIDATION,
        ),
    ]
    remember(home, search)
    name = {"experiment_id": "folder"}
    remember(
        home,
        [
            experiment(**name, config={"split": "test"}, proposer="folder"),
            scenario(**name, split="test", baseline_metrics={"x": ON_TEST}),
            candidate(**name, score=ON_TEST, problem=f"{ON_TEST}"),
            evaluation(**name, split="test", **secret),
        ],
        "folder",
    )
    return home
