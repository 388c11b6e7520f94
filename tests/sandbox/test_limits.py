"""Limits are validated, and passed on to where they are enforced."""

import pytest
from pydantic import ValidationError

from sandbox.limits import Limits
from simulator.cell.frames import CellLimits


def test_defaults_inside_and_outside_the_cell_are_the_same() -> None:
    assert Limits().for_cell() == CellLimits()


def test_every_limit_of_the_cell_can_be_set_from_outside() -> None:
    assert set(CellLimits.__dataclass_fields__) <= set(Limits.model_fields)


@pytest.mark.parametrize(
    "wrong",
    [
        {"policy_cpu_seconds": 0},
        {"wall_seconds": -1},
        {"memory_mb": 1},
        {"call_cpu_seconds": float("nan")},
        {"wall_seconds": float("inf")},
        {"colour": 1},
    ],
)
def test_limits_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Limits(**wrong)


def test_the_host_waits_longer_than_the_cell_can_take() -> None:
    limits = Limits(wall_seconds=10)

    assert limits.job_seconds(3) > 30
    assert limits.lifetime_seconds(3) > limits.idle_seconds + limits.job_seconds(3)


def test_whole_cpu_seconds_are_rounded_up() -> None:
    assert Limits(policy_cpu_seconds=0.2).whole_cpu_seconds == 1
    assert Limits(policy_cpu_seconds=3.0).whole_cpu_seconds == 3
