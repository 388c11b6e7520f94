"""The drawings' small pieces: escaping, scales and labels."""

import pytest

from flows.report.svg import (
    Scale,
    element,
    round_ticks,
    score_scale,
    spread_labels,
    step_path,
    text,
)


def test_attributes_and_words_are_escaped() -> None:
    assert element("g", class_='a"b', data_open="<\u202e>") == (
        '<g class="a&quot;b" data-open="&lt;⟨U+202E⟩&gt;"></g>'
    )
    assert text(1.0, 2.25, "<b>&") == '<text x="1" y="2.2">&lt;b&gt;&amp;</text>'


def test_an_attribute_without_a_value_is_left_out() -> None:
    assert element("g", x=None) == "<g></g>"


def test_a_scale_maps_its_ends_and_keeps_what_is_outside_at_the_edge() -> None:
    scale = Scale(low=0, high=10, start=100, end=0)

    assert [scale(value) for value in (-5, 0, 5, 10, 50)] == [100, 100, 50, 0, 0]


def test_scores_that_differ_much_are_drawn_by_their_logarithm() -> None:
    assert not score_scale([1.0, 2.0], 0, 1).log
    assert score_scale([0.1, 2.0], 0, 1).log
    assert score_scale([0.0], 0, 1).low < 1 < score_scale([], 0, 1).high


@pytest.mark.parametrize(
    ("low", "high", "about", "ticks"),
    [
        (0, 10, 5, [0, 2, 4, 6, 8, 10]),
        (0.93, 1.52, 4, [1.0, 1.2, 1.4]),
        (1, 24, 10, [5, 10, 15, 20]),
        (3, 3, 5, [3]),
    ],
)
def test_ticks_are_round_numbers_inside_the_scale(
    low: float, high: float, about: int, ticks: list[float]
) -> None:
    assert round_ticks(low, high, about) == ticks


def test_logarithmic_ticks_lie_inside_and_are_few() -> None:
    ticks = Scale(low=0.01, high=1000, start=0, end=1, log=True).ticks(5)

    assert 3 <= len(ticks) <= 8
    assert all(0.01 <= tick <= 1000 for tick in ticks)


def test_labels_keep_their_order_and_a_distance() -> None:
    assert spread_labels([10, 12, 50, 11], 15) == [10, 40, 55, 25]


def test_a_step_path_keeps_a_value_until_the_next() -> None:
    assert step_path([(0.0, 1.0), (5.0, 3.0)]) == "M0 1H5V3"
