"""Fresh test scenarios of functions as a service: what is drawn anew, and what cannot be."""

from pathlib import Path

import pytest

from flows.errors import ConfigError
from flows.judging.splits import suite_splits
from simulator.domain import find_domain
from simulator.domains.faas.host import redraw
from simulator.domains.faas.scenario import Scenario
from simulator.suites import suite_path
from tests.domains.faas.support import PLATFORM, write_suite

FAAS = find_domain("faas")
SEED = 8_675_309
DRAWN = PLATFORM + 'seed = 4\n[[traffic]]\nper_second = 1\nservice = "fixed"\n'
LISTED = PLATFORM
TIMED = PLATFORM + '[[traffic]]\narrivals = "cron"\nservice = "fixed"\n'


def the(scenario: object) -> Scenario:
    assert isinstance(scenario, Scenario)
    return scenario


def test_every_test_scenario_of_the_mixed_suite_is_drawn_anew_with_other_functions() -> None:
    splits = suite_splits("faas-mixed", FAAS, policy_calls="every_event", fresh_test=SEED)
    assert splits.fresh is not None

    drawn = splits.final_test().scenarios
    path, first = suite_path("faas-mixed", FAAS), [the(splits.test[0])]
    [again], [other] = redraw(path, first, SEED).draw(), redraw(path, first, SEED + 1).draw()

    assert drawn[0] == again
    assert splits.fresh.left_out == ()
    hashes = {each.sha256 for each in (*splits.every, *drawn, other)}
    assert len(hashes) == len(splits.every) + len(splits.test) + 1, "two scenarios are the same"
    for fresh, own in zip(drawn, splits.test, strict=True):
        assert fresh.name == f"{own.name}-fresh-{SEED}"
        assert (fresh.family, fresh.split, fresh.calls) == (own.family, "test", "every_event")
        assert (fresh.duration_seconds, fresh.settings) == (own.duration_seconds, own.settings)
        assert the(fresh).world.setup.nodes == the(own).world.setup.nodes
        assert the(fresh).world.setup.functions != the(own).world.setup.functions


def test_a_scenario_of_ones_own_keeps_its_platform_and_gets_other_invocations(
    tmp_path: Path,
) -> None:
    suite = write_suite(tmp_path, drawn=DRAWN)

    splits = suite_splits(str(suite), FAAS, fresh_test=SEED)

    [own], [fresh] = splits.test, splits.final_test().scenarios
    assert the(fresh).world.setup == the(own).world.setup
    assert the(fresh).world.times != the(own).world.times


def test_what_is_not_drawn_is_named_and_left_out(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, drawn=DRAWN, listed=LISTED, timed=TIMED)

    splits = suite_splits(str(suite), FAAS, fresh_test=SEED)

    assert splits.fresh is not None
    assert splits.fresh.left_out == (
        "listed-test, whose invocations are listed in a file",
        "timed-test, in whose traffic nothing is drawn",
    )
    assert [each.name for each in splits.final_test().scenarios] == [f"drawn-test-fresh-{SEED}"]


def test_a_suite_of_which_nothing_can_be_drawn_is_refused_in_words(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, listed=LISTED)

    with pytest.raises(ConfigError, match=r"can be redrawn: listed-test, whose invocations are"):
        suite_splits(str(suite), FAAS, fresh_test=SEED)


def test_hourly_families_of_the_smoke_suite_keep_their_length() -> None:
    splits = suite_splits("faas-smoke", FAAS, fresh_test=SEED)

    drawn = splits.final_test().scenarios

    assert [each.duration_seconds for each in drawn] == [3600, 3600, 1800]
    pairs = zip(drawn, splits.test, strict=True)
    assert all(
        the(fresh).world.setup.functions != the(own).world.setup.functions for fresh, own in pairs
    )
