"""Whole runs do what they did when they were recorded, row by row."""

import pytest

from tests.support.recordings import (
    LEFT_OUT,
    WORDING,
    behaviour,
    differences,
    recorded_rows,
    rows_now,
)
from tests.support.whole_runs import DOCKER, HERE, PROCESS, RUNS

TRUSTED = ("smoke", "evolve")
"""Runs whose policies need no wall around them."""


@pytest.mark.parametrize(
    "name",
    [
        *(pytest.param(n, marks=pytest.mark.nightly) for n in ("smoke", "model")),
        "evolve",
        "policies",
    ],
)
def test_a_whole_run_does_what_it_did_when_it_was_recorded(name: str) -> None:
    now = rows_now(name, HERE if name in TRUSTED else PROCESS)

    assert list(differences(behaviour(recorded_rows(name)), behaviour(now))) == []


@pytest.mark.docker
@pytest.mark.nightly
@pytest.mark.parametrize("name", RUNS)
def test_real_containers_give_the_recorded_rows(name: str) -> None:
    now = rows_now(name, DOCKER)

    assert list(differences(behaviour(recorded_rows(name)), behaviour(now))) == []


def test_a_row_that_changes_goes_or_comes_is_a_difference() -> None:
    rows = recorded_rows("policies")
    changed = [{**rows[0], "outcome": "odd"}, *rows[1:-1], {**rows[-1], "name": "another"}]

    assert len(list(differences(behaviour(rows), behaviour(changed)))) == 3


def test_a_text_that_goes_is_a_difference_and_one_that_changes_is_none() -> None:
    rows = recorded_rows("policies")
    (place,) = [n for n, row in enumerate(rows) if row.get("outcome") == "load_error"][-1:]
    changed, gone = [*rows], [*rows]
    changed[place], gone[place] = rows[place] | {"problem": "no"}, rows[place] | {"problem": None}

    assert list(differences(behaviour(rows), behaviour(changed))) == []
    assert len(list(differences(behaviour(rows), behaviour(gone)))) == 1


def test_no_figure_and_no_decision_is_left_out() -> None:
    compared = {column for row in recorded_rows("model") for column in row} - WORDING.keys()

    assert not compared & LEFT_OUT.keys()
    assert compared >= {
        *("outcome", "score", "validation_score", "standing", "duplicate_of", "parents", "code"),
        *("decision_sha256", "stats", "metrics", "purpose", "attempt", "detail", "sequence"),
    }
