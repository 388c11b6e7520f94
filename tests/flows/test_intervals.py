"""The paired bootstrap: repeatable, honest about few scenarios, and readable."""

import math

import pytest

from flows.judging.intervals import Interval, paired_interval, unpaired_interval


def test_equal_ratios_give_an_interval_of_one_point() -> None:
    interval = paired_interval([1.25] * 8, seed=1)

    assert interval.percent == pytest.approx((25.0, 25.0, 25.0))
    assert interval.excludes_zero
    assert interval.scenarios == 8


def test_the_same_call_gives_the_same_interval_and_another_seed_another() -> None:
    ratios = [1.1, 0.9, 1.3, 1.05, 1.2]

    assert paired_interval(ratios, seed=7) == paired_interval(ratios, seed=7)
    assert paired_interval(ratios, seed=7) != paired_interval(ratios, seed=8)


def test_a_gain_on_one_scenario_of_many_does_not_exclude_zero() -> None:
    interval = paired_interval([50.0] + [0.99] * 14, seed=3)

    assert interval.mean > 0.2
    assert not interval.excludes_zero


def test_a_loss_everywhere_excludes_zero_from_below() -> None:
    interval = paired_interval([0.8, 0.85, 0.9, 0.7], seed=3)

    assert interval.high < 0
    assert interval.excludes_zero
    assert interval.words().startswith("19.1 % worse (95 % confidence interval 12.5 to 26.5")


def test_one_scenario_says_nothing() -> None:
    interval = paired_interval([2.0], seed=0)

    assert interval.percent == pytest.approx((-100.0, 100.0, math.inf))
    assert not interval.excludes_zero
    assert interval.words() == ("100.0 % better (1 scenario, no confidence interval)")


def test_a_higher_level_gives_a_wider_interval() -> None:
    ratios = [1.1, 0.9, 1.3, 1.05, 1.2, 1.0, 0.95]
    narrow = paired_interval(ratios, level=0.8, seed=2)
    wide = paired_interval(ratios, level=0.99, seed=2)

    assert wide.low < narrow.low < narrow.mean < narrow.high < wide.high


def test_many_scenarios_are_resampled_in_blocks_with_the_same_figures_each_time() -> None:
    ratios = [1.0 + 0.001 * (each % 7) for each in range(3000)]
    interval = paired_interval(ratios, seed=5)

    assert interval == paired_interval(ratios, seed=5)
    assert 0.2 < interval.percent[0] < interval.percent[1] < interval.percent[2] < 0.4


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """15 scenarios, log ratios uniform in +-0.3 around 0.1: known mean, 200 repetitions."""
    draws = iter(_uniform(200 * 15))
    held = 0
    for seed in range(200):
        logs = [0.1 + 0.6 * (next(draws) - 0.5) for _ in range(15)]
        interval = paired_interval([math.exp(each) for each in logs], seed=seed, resamples=1000)
        held += interval.low <= 0.1 <= interval.high

    assert 175 <= held <= 198


def test_words_name_gain_interval_and_scenarios() -> None:
    interval = Interval(
        low=math.log(1.041), high=math.log(1.207), mean=math.log(1.123), level=0.95, scenarios=15
    )

    assert interval.words() == "12.3 % better (95 % confidence interval 4.1 to 20.7, 15 scenarios)"


def test_words_of_no_difference_do_not_say_better() -> None:
    assert paired_interval([1.0, 1.0], seed=0).words() == (
        "no different (95 % confidence interval 0.0 to 0.0, 2 scenarios)"
    )


def test_the_difference_of_unlike_scenarios_is_resampled_on_both_sides() -> None:
    ratios, others = [2.0, 2.2, 1.8, 2.1], [1.0, 1.1, 0.9]
    apart = unpaired_interval(ratios, others, seed=4)

    assert apart.scenarios == 3
    assert apart.percent[1] == pytest.approx(102.6, abs=0.1)
    assert apart.low > 0 and apart == unpaired_interval(ratios, others, seed=4)
    assert not unpaired_interval([1.0, 9.0], [1.0, 2.0, 1.5], seed=4).excludes_zero
    assert unpaired_interval([2.0], [1.0, 1.0], seed=4).high == math.inf


def test_values_that_cannot_be_are_refused_by_name() -> None:
    for ratio in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match=r"ratio 1 is .*finite ratios above 0"):
            paired_interval([1.0, ratio], seed=0)
    for level in (0.0, 1.0, 95.0):
        with pytest.raises(ValueError, match="between 0 and 1"):
            paired_interval([1.0], level=level, seed=0)
    with pytest.raises(ValueError, match="at least one scenario"):
        paired_interval([], seed=0)
    with pytest.raises(ValueError, match="give 1 or more"):
        paired_interval([1.0], resamples=0, seed=0)


def _uniform(count: int) -> list[float]:
    """A small linear congruential generator: the same numbers on every machine."""
    state, values = 12345, []
    for _ in range(count):
        state = (1103515245 * state + 12345) % 2**31
        values.append(state / 2**31)
    return values
