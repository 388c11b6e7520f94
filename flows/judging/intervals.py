"""Confidence intervals: a paired, seeded bootstrap over scenarios."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flows.untrusted import counted

DEFAULT_LEVEL = 0.95
DEFAULT_RESAMPLES = 10_000
BLOCK_DRAWS = 1_000_000
"""Scenarios drawn at once, so that a large suite needs no large table in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """The mean log of a ratio over scenarios, and the interval that holds it at a level."""

    low: float
    high: float
    mean: float
    level: float
    scenarios: int

    @property
    def percent(self) -> tuple[float, float, float]:
        """The gain in per cent: low, mean, high."""
        return (_percent(self.low), _percent(self.mean), _percent(self.high))

    @property
    def excludes_zero(self) -> bool:
        """True when the whole interval lies on one side of "no difference"."""
        return self.low > 0.0 or self.high < 0.0

    def words(self) -> str:
        """The difference as part of a sentence: "12.3 % better (95 % confidence interval ...)"."""
        low, mean, high = self.percent
        if f"{abs(mean):.1f}" == "0.0":
            head = "no different"
        else:
            head = f"{abs(mean):.1f} % {'better' if mean > 0 else 'worse'}"
        if self.scenarios == 1:
            return f"{head} (1 scenario, no confidence interval)"
        if low < 0 < high:
            span = f"{_sided(low)} to {_sided(high)}"
        else:
            ends = sorted((abs(low), abs(high)))
            span = f"{_figure(ends[0])} to {_figure(ends[1])}"
        scenarios = counted(self.scenarios, "scenario")
        return f"{head} ({self.level * 100:g} % confidence interval {span}, {scenarios})"


def paired_interval(
    ratios: Sequence[float],
    *,
    level: float = DEFAULT_LEVEL,
    resamples: int = DEFAULT_RESAMPLES,
    seed: int,
) -> Interval:
    """The interval of the mean log of `ratios`, one ratio per scenario, by resampling scenarios.

    The same ratios in the same order, level, resamples and seed give the same interval to the last
    bit. One scenario says nothing about others, so its interval is the whole line.
    """
    logs = _logs(ratios, level, resamples)
    mean, count = float(logs.mean()), len(logs)
    if count == 1:
        return _unbounded(mean, level, 1)
    means = _resampled_means(logs, resamples, np.random.default_rng(seed))
    return _interval(means, mean, level, count)


def weakest(intervals: Iterable[Interval]) -> Interval:
    """Return the interval of the gain that is least certain: the one that begins lowest."""
    return min(intervals, key=lambda each: (each.low, each.mean))


def unpaired_interval(
    ratios: Sequence[float],
    others: Sequence[float],
    *,
    level: float = DEFAULT_LEVEL,
    resamples: int = DEFAULT_RESAMPLES,
    seed: int,
) -> Interval:
    """The interval of the mean log of `ratios` less that of `others`, of different scenarios.

    It counts the scenarios of the smaller side; with one on either side it is the whole line.
    """
    logs, other_logs = _logs(ratios, level, resamples), _logs(others, level, resamples)
    mean, count = float(logs.mean() - other_logs.mean()), min(len(logs), len(other_logs))
    if count == 1:
        return _unbounded(mean, level, 1)
    generator = np.random.default_rng(seed)
    means = _resampled_means(logs, resamples, generator)
    means -= _resampled_means(other_logs, resamples, generator)
    return _interval(means, mean, level, count)


def _interval(means: NDArray[np.float64], mean: float, level: float, count: int) -> Interval:
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return Interval(
        low=min(float(low), mean),
        high=max(float(high), mean),
        mean=mean,
        level=level,
        scenarios=count,
    )


def _unbounded(mean: float, level: float, count: int) -> Interval:
    return Interval(low=-math.inf, high=math.inf, mean=mean, level=level, scenarios=count)


def _logs(ratios: Sequence[float], level: float, resamples: int) -> NDArray[np.float64]:
    _check(ratios, level, resamples)
    return np.log(np.asarray(ratios, dtype=np.float64))


def _resampled_means(
    logs: NDArray[np.float64],
    resamples: int,
    generator: np.random.Generator,
) -> NDArray[np.float64]:
    means = np.empty(resamples, dtype=np.float64)
    rows = max(1, BLOCK_DRAWS // len(logs))
    for start in range(0, resamples, rows):
        end = min(start + rows, resamples)
        picks = generator.integers(0, len(logs), size=(end - start, len(logs)))
        means[start:end] = logs[picks].mean(axis=1)
    return means


def _check(ratios: Sequence[float], level: float, resamples: int) -> None:
    if not ratios:
        raise ValueError("an interval needs the ratio of at least one scenario, got none")
    for position, ratio in enumerate(ratios):
        if not (math.isfinite(ratio) and ratio > 0):
            raise ValueError(
                f"ratio {position} is {ratio!r}; an interval needs finite ratios above 0"
            )
    if not 0.0 < level < 1.0:
        raise ValueError(f"level is {level!r}; give a number between 0 and 1, for example 0.95")
    if resamples < 1:
        raise ValueError(f"resamples is {resamples!r}; give 1 or more, for example 10000")


def _percent(log_ratio: float) -> float:
    if log_ratio > 700:
        return math.inf
    return 100.0 * math.expm1(log_ratio)


def _sided(percent: float) -> str:
    """A gain in per cent with its direction: better or worse."""
    if not math.isfinite(percent):
        return _figure(percent)
    return f"{abs(percent):.1f} {'better' if percent > 0 else 'worse'}"


def _figure(value: float) -> str:
    if math.isinf(value):
        return "without bound"
    text = f"{value:.1f}"
    return "0.0" if text == "-0.0" else text
