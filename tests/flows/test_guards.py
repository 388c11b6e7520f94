"""Who may be called the best, decided from figures alone."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from flows.errors import UserError
from flows.judging.guards import (
    Figures,
    Rules,
    Ruling,
    gap_interval,
    rule_on_baseline,
    rule_on_candidate,
    seed_for,
)
from flows.judging.splits import groups_of
from flows.settings.sections import GuardConfig
from simulator.domain import find_domain

LATENCY = "weighted_latency_seconds"

SPEC = find_domain().spec
RULES = Rules(guards=GuardConfig(), objective="weighted_latency", seed=1)


def figures(
    train: Sequence[float],
    deciding: Sequence[float],
    title: str = "p",
    latencies: Sequence[float] | None = None,
) -> Figures:
    charges = latencies or [100.0 / each for each in deciding]
    return Figures(
        title=title,
        train={f"t{n}": value for n, value in enumerate(train)},
        deciding={f"v{n}": value for n, value in enumerate(deciding)},
        guarded={LATENCY: {f"v{n}": value for n, value in enumerate(charges)}},
    )


BEST = figures([1.5] * 5, [1.5] * 5, "best so far")
SHORT = figures([1.5] * 3, [1.5] * 5, "best so far")


def ruling(own: Figures, rules: Rules = RULES, best: Figures = BEST, failed: str = "") -> Ruling:
    return rule_on_candidate(own, best, best, rules, failed)


def test_a_gain_that_chance_does_not_explain_promotes() -> None:
    found = ruling(figures([1.7] * 5, [1.6, 1.7, 1.65, 1.7, 1.55]))

    assert (found.standing, found.reason) == ("promoted", "interval")
    assert found.detail.startswith(
        "on validation against best so far: 9.3 % better (95 % confidence interval"
    )
    low, high = found.gain_percent
    assert low is not None and high is not None and 0 < low < 9.3 < high
    assert found.validation_score == pytest.approx(1.6388, abs=1e-3)


GROUPS = {"one": ["t0", "t1", "v0", "v1", "v2"], "two": ["t2", "t3", "v3", "v4", "v5"]}
GROUPED = replace(RULES, groups=GROUPS)
SIX = figures([1.5] * 4, [1.5] * 6, "best so far")


def test_a_gain_in_one_group_alone_is_refused_and_both_are_told() -> None:
    found = ruling(figures([2.1, 2.1, 1.4, 1.4], [2.0, 2.1, 2.2, 1.4, 1.45, 1.4]), GROUPED, SIX)

    assert (found.standing, found.reason) == ("refused", "interval")
    assert found.detail.startswith("two: on validation against best so far: 5.6 % worse (95 %")
    assert "; one: on validation against best so far: 39.9 % better (95 %" in found.detail
    assert found.interval is not None and found.interval.percent[1] < 0
    assert found.validation_score == pytest.approx(1.724, abs=1e-3)


def test_groups_that_agree_promote_by_the_smaller_gain_and_count_no_scenario_twice() -> None:
    own = figures([1.7] * 4, [1.6, 1.7, 1.65, 1.7, 1.8, 1.75])
    one = GROUPS["one"]
    found, alone = ruling(own, GROUPED, SIX), ruling(own.only(one), best=SIX.only(one))

    assert found.standing == "promoted"
    assert found.interval == alone.interval
    assert found.interval is not None and found.interval.scenarios == 3


def test_a_gap_in_one_group_bars() -> None:
    own = figures([1.6, 1.6, 3.0, 3.0], [1.6] * 6)

    found = ruling(own, GROUPED, SIX)

    assert (found.standing, found.reason) == ("barred", "gap")
    assert found.gap_percent == pytest.approx(87.5)


def test_luck_on_one_scenario_is_refused() -> None:
    found = ruling(figures([1.7] * 5, [6.0, 1.5, 1.5, 1.49, 1.5]))

    assert (found.standing, found.reason) == ("refused", "interval")
    assert found.detail.endswith("not statistically significant")
    assert found.interval is not None and found.interval.percent[1] > 20


def test_what_fits_the_train_scenarios_alone_is_barred() -> None:
    found = ruling(figures([3.0] * 5, [1.6] * 5))

    assert (found.standing, found.reason) == ("barred", "gap")
    assert found.gap_percent == pytest.approx(87.5)
    assert found.detail.startswith(
        "gap alarm: score 3.000 on train but 1.600 on validation, a gap 87.5 %"
    )


def test_a_gap_that_the_best_baseline_has_as_well_is_none() -> None:
    baseline = figures([2.0] * 5, [1.0] * 5)
    own = figures([2.4] * 5, [1.2] * 5)

    assert gap_interval(own, baseline, RULES).percent[1] == pytest.approx(0.0)
    assert ruling(own, best=baseline).standing == "promoted"


def test_a_gap_that_chance_explains_is_recorded_but_no_alarm() -> None:
    found = ruling(figures([1.0, 1.0, 9.0], [1.6, 1.7, 1.6, 1.8, 1.6]), best=SHORT)

    assert found.gap_percent is not None and found.gap_percent > 15
    assert found.standing == "promoted"


def test_a_failure_on_validation_is_refused_and_named() -> None:
    found = ruling(figures([1.7] * 5, [1.7] * 5), failed="policy_error: KeyError: 'x'")

    assert (found.standing, found.reason) == ("refused", "failed")
    assert found.detail == "failed on validation: policy_error: KeyError: 'x'"


def test_what_raises_another_objective_at_the_cost_of_latency_is_gamed() -> None:
    rules = Rules(
        guards=GuardConfig(),
        objective="legacy_throughput",
        guarded=tuple(SPEC.guarded(SPEC.objective("legacy_throughput"))),
        seed=1,
    )
    best = figures([1.5] * 5, [1.5] * 5, "best so far", [50.0] * 5)
    gamer = figures([9.0] * 5, [9.0] * 5, latencies=[60.0, 61.0, 62.0, 63.0, 64.0])
    honest = figures([9.0] * 5, [9.0] * 5, latencies=[50.0, 51.0, 49.0, 50.0, 50.0])

    found = ruling(gamer, rules, best)

    assert (found.standing, found.reason) == ("refused", "gamed")
    assert "by legacy_throughput" in found.detail and "but weighted latency 19.3 % worse" in (
        found.detail
    )
    assert ruling(honest, rules, best).standing == "promoted"


def test_without_validation_train_decides_and_there_is_no_gap() -> None:
    rules = Rules(guards=GuardConfig(), objective="weighted_latency", deciding="train", seed=1)
    found = ruling(figures([1.7] * 5, [1.7, 1.6, 1.7, 1.8, 1.7]), rules)

    assert found.standing == "promoted"
    assert (found.validation_score, found.gap_percent) == (None, None)
    assert found.detail.startswith("on train against")


def test_one_scenario_decides_by_its_figure_and_has_no_interval() -> None:
    best = figures([1.0], [1.0])

    assert ruling(figures([1.1], [1.1]), best=best).standing == "promoted"
    assert ruling(figures([1.1], [1.1]), best=best).gain_percent == (None, None)
    assert ruling(figures([1.0], [0.99]), best=best).standing == "refused"


def test_the_best_baseline_is_the_one_with_the_best_point_estimate() -> None:
    first = rule_on_baseline(figures([9.0], [1.0]), None, RULES)
    worse = rule_on_baseline(figures([9.0], [0.9]), figures([1.0], [1.0]), RULES)
    better = rule_on_baseline(figures([0.1], [1.1]), figures([1.0], [1.0]), RULES)

    assert [first.standing, worse.standing, better.standing] == ["promoted", "", "promoted"]
    assert better.detail == "the best baseline so far on validation: score 1.1000"


def test_each_attempt_has_a_seed_of_its_own_that_repeats() -> None:
    assert seed_for(7, (1, 0)) == seed_for(7, (1, 0))
    assert len({seed_for(7, (1, 0)), seed_for(7, (1, 1)), seed_for(8, (1, 0))}) == 3


def test_where_every_scenario_counts_none_may_be_worse() -> None:
    rules = Rules(guards=GuardConfig(), objective="passed", each_counts=True)
    best = figures([2.0, 1.0], [2.0, 1.0, 1.0], "best so far")

    better = ruling(figures([2.0, 2.0], [2.0, 1.0, 1.0]), rules, best)
    mixed = ruling(figures([2.0, 2.0], [1.0, 2.0, 2.0]), rules, best)
    same = ruling(figures([2.0, 1.0], [2.0, 1.0, 1.0]), rules, best)

    assert (better.standing, better.reason) == ("promoted", "scenarios")
    assert mixed.standing == "refused" and "better in 2 and worse in 1 of 3" in mixed.detail
    assert same.standing == "refused"


def test_scenarios_are_grouped_by_a_setting_that_all_of_them_have() -> None:
    settings: dict[str, dict[str, Any]] = {
        "a": {"at": "north"},
        "b": {"at": 2},
        "c": {"at": "north"},
    }

    assert groups_of(settings, "at") == {"north": ("a", "c"), "at 2": ("b",)}
    assert groups_of({"a": settings["a"], "c": settings["c"]}, "at") == {}
    assert groups_of(settings, None) == {}
    with pytest.raises(UserError, match="scenario a has no setting region"):
        groups_of(settings, "region")
