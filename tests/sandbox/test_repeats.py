"""A scenario that occurs twice in a trial is tried again in another cell, unless it failed."""

import pytest

from sandbox.outcome import Outcome
from sandbox.process_cells import ProcessCell, ProcessCells
from sandbox.trial import Sandbox
from tests.support.cells import HONEST, TIGHT, small_scenario

A, B, C = (small_scenario(name) for name in "abc")
SPIN_WHEN_SLOW = HONEST.replace(
    "    pool, assignments", "    while s.params['duration'] == 9: pass\n    pool, assignments"
)

pytestmark = pytest.mark.slow


class CountedCells(ProcessCells):
    """Embedded cells that are counted as they are started."""

    def __init__(self) -> None:
        super().__init__(TIGHT)
        self.started: list[int] = []

    def start(self, workers: int) -> ProcessCell:
        self.started.append(workers)
        return super().start(workers)


def test_repeats_are_tried_in_a_second_cell_of_the_same_kind() -> None:
    cells = CountedCells()

    with Sandbox(TIGHT, cell=cells, ready=False) as sandbox:
        trial = sandbox.try_policy(HONEST, [A, B, C, A, B])

    assert cells.started == [3, 3]
    assert [(one.scenario, one.outcome) for one in trial.evaluations] == [
        (name, Outcome.OK) for name in "abcab"
    ]
    assert len({one.decision_sha256 for one in trial.evaluations}) == 1


def test_a_scenario_can_be_repeated_more_often_than_there_are_others() -> None:
    with Sandbox(TIGHT, cell="process", ready=False) as sandbox:
        trial = sandbox.try_policy(HONEST, [A, A, A])

    assert [one.outcome for one in trial.evaluations] == [Outcome.OK] * 3


def test_a_failure_is_not_tried_again_and_its_repeat_gets_the_same_outcome() -> None:
    cells = CountedCells()

    with Sandbox(TIGHT, cell=cells, ready=False) as sandbox:
        trial = sandbox.try_policy("1 / 0\n", [A, B, A])

    assert cells.started == [2]
    assert [one.outcome for one in trial.evaluations] == [Outcome.LOAD_ERROR] * 3
    assert trial.evaluations[2].problem == trial.evaluations[0].problem


def test_after_a_limit_of_time_nothing_is_tried_again() -> None:
    cells, slow = CountedCells(), small_scenario("slow", duration=9)

    with Sandbox(TIGHT, cell=cells, ready=False) as sandbox:
        trial = sandbox.try_policy(SPIN_WHEN_SLOW, [A, slow, C, A])

    assert cells.started == [3]
    assert trial.outcome is Outcome.CALL_TIMEOUT
    assert [one.outcome for one in trial.evaluations] == [
        Outcome.OK,
        Outcome.CALL_TIMEOUT,
        Outcome.NOT_TRIED,
        Outcome.NOT_TRIED,
    ]
