"""The paper's own setting: what policies gain over naive there, each figure with its metric.

The paper, arXiv 2510.18897, reports 371.1 % more throughput than FIFO, where throughput counts
containers: work split into more of them looks faster without any pipeline finishing sooner. So
two figures that cannot be raised that way stand beside it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from simulator.domain_host import Tried

OK = "ok"
PAPER_SUITE = "paper"
PAPER_GAIN_PERCENT = 371.1
PAPER_TRACES = 10
DURATION_SECONDS = 600.0
"""Duration of each trace of the paper; a policy that failed is charged this."""

THROUGHPUT = "containers per second, median"
LATENCY = "weighted latency, geometric mean"
COMPLETED = "pipelines completed, median"
METRICS = (THROUGHPUT, LATENCY, COMPLETED)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperFigure:
    """One policy by one metric; a gain above 0 is better than naive, whatever the metric."""

    policy: str
    metric: str
    """One of METRICS; the first is the paper's."""
    value: float
    naive: float
    gain_percent: float | None
    """None where naive has nothing to compare with."""
    traces: int
    """How many of the paper's ten are behind the figure."""


@dataclass(frozen=True, slots=True)
class Paper:
    """The paper's figures, to show beside one's own."""

    def figures(self, runs: Mapping[str, Sequence[Tried]]) -> list[dict[str, Any]]:
        """Return three figures for each policy, as plain values."""
        return [asdict(each) for each in paper_figures(runs)]

    def lines(self, runs: Mapping[str, Sequence[Tried]]) -> list[str]:
        """Return them in words, the paper's own beside them."""
        return paper_lines(paper_figures(runs))

    def table(self, runs: Mapping[str, Sequence[Tried]]) -> dict[str, Any]:
        """Return a row for each metric, with a column for the gain of each policy over naive."""
        found = {(each.policy, each.metric): each for each in paper_figures(runs)}
        rows = []
        for metric in METRICS if found else ():
            shown = [found.get((policy, metric)) for policy in runs]
            traces = max(each.traces for each in shown if each)
            note = f"{metric}, over {traces} traces"
            if metric == THROUGHPUT:
                note += f" (the paper's metric; it reports +{PAPER_GAIN_PERCENT} %)"
            rows.append([note, *(_percent(each.gain_percent if each else None) for each in shown)])
        return {
            "title": "the paper's setting",
            "text": "Gain over naive by three metrics. Splitting work into more containers raises "
            "containers per second without finishing any pipeline sooner; the other two metrics "
            "do not reward it.",
            "columns": ["metric", *runs],
            "rows": rows,
        }


def published(suite: str) -> Paper | None:
    """Return what was published about a suite: of the paper's there is something."""
    return Paper() if suite == PAPER_SUITE else None


def paper_figures(
    evaluations_by_policy: Mapping[str, Sequence[Tried]],
) -> list[PaperFigure]:
    """Return three figures for each policy, over the traces that naive was tried on as well.

    One of the policies has to be ``naive``; without it there are no figures. A failed trace counts
    as nothing done and is charged its whole duration. Repeats of a trace do not count.
    """
    naive = _first_of_each(evaluations_by_policy.get("naive", ()))
    found = []
    for policy, evaluations in evaluations_by_policy.items():
        own = _first_of_each(evaluations)
        shared = [name for name in naive if name in own]
        if not shared:
            continue
        mine, theirs = [own[name] for name in shared], [naive[name] for name in shared]
        found += [_figure(policy, metric, mine, theirs) for metric in METRICS]
    return found


def paper_lines(figures: Sequence[PaperFigure]) -> list[str]:
    """Return the figures in words, the paper's own beside them; no line without figures."""
    if not figures:
        return []
    traces = min(figure.traces for figure in figures)
    lines = [
        "gain over naive on the paper's setting"
        + ("" if traces == PAPER_TRACES else f" ({traces} of its {PAPER_TRACES} traces)"),
    ]
    for metric in METRICS:
        shown = [figure for figure in figures if figure.metric == metric]
        if metric == THROUGHPUT:
            lines.append(f"  {metric} (the paper's metric; it reports +{PAPER_GAIN_PERCENT} %)")
        else:
            lines.append(f"  {metric}")
        lines += [f"    {figure.policy}: {_gain(figure)}" for figure in shown]
    return lines


def _first_of_each(evaluations: Sequence[Tried]) -> dict[str, Tried]:
    found: dict[str, Tried] = {}
    for each in evaluations:
        found.setdefault(each.scenario, each)
    return found


def _figure(policy: str, metric: str, own: Sequence[Tried], naive: Sequence[Tried]) -> PaperFigure:
    mine, theirs = _value(metric, own), _value(metric, naive)
    better, worse = (theirs, mine) if metric == LATENCY else (mine, theirs)
    return PaperFigure(
        policy=policy,
        metric=metric,
        value=mine,
        naive=theirs,
        gain_percent=100.0 * (better / worse - 1.0) if worse > 0 else None,
        traces=len(own),
    )


def _value(metric: str, evaluations: Sequence[Tried]) -> float:
    if metric == THROUGHPUT:
        return median(_stat(each, "throughput") for each in evaluations)
    if metric == COMPLETED:
        return median(_metric(each, "pipelines_completed", 0.0) for each in evaluations)
    charged = [_metric(each, "weighted_latency_seconds", DURATION_SECONDS) for each in evaluations]
    return math.exp(math.fsum(map(math.log, charged)) / len(charged))


def _stat(evaluation: Tried, name: str) -> float:
    ended_well = evaluation.outcome == OK and evaluation.stats is not None
    return float((evaluation.stats or {}).get(name) or 0.0) if ended_well else 0.0


def _metric(evaluation: Tried, name: str, charge: float) -> float:
    if evaluation.outcome != OK or evaluation.metrics is None:
        return charge
    value = evaluation.metrics.get(name)
    return charge if value is None else float(value)


def _gain(figure: PaperFigure) -> str:
    unit = " s" if figure.metric == LATENCY else ""
    values = f"{_number(figure.value)}{unit}, naive {_number(figure.naive)}{unit}"
    gain = "" if figure.gain_percent is None else f"{figure.gain_percent:+.1f} % ({values})"
    return gain or values


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.1f}"


def _percent(gain: float | None) -> str:
    return "–" if gain is None else f"{gain:+,.1f} %"
