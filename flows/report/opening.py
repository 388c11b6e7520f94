"""The first screen of a report: the verdict, the gain drawn, the policy, and what to do next."""

import ast
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from flows.history.records import CandidateRow
from flows.judging.leaderboard import ENOUGH, scores_of
from flows.names import name_of
from flows.report.data import ReportData, slot_name, slot_of
from flows.report.summary import reference_name, verdict
from flows.report.text import command_line, one_line, percent, score_text
from flows.settings.search import SearchConfig
from flows.untrusted import counted
from sandbox.source import parse
from simulator.domain import DEFAULT

SENTENCES = 2
"""How much of its docstring says what a policy does."""
LONGEST_IDEA = 400
MARGIN = 0.3
"""Room beside the interval on both sides, as a part of its width."""
EDGE = 24
"""Per cent from the edge within which a label would leave the drawing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A value of the drawing: where it is, in per cent from the left, and its words."""

    at: float
    words: str
    anchor: str = "middle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """A gain over the best baseline with its interval, as it is drawn."""

    words: str
    """The whole of it in a sentence."""
    kind: str
    """better | worse | unsure: on which side of no difference the interval is."""
    mean: Mark
    zero: Mark
    low: Mark | None = None
    """None, as ``high``, where one scenario gives no interval."""
    high: Mark | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """Something to do next, and the command for it, perhaps none."""

    words: str
    command: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a reader sees first."""

    headline: str
    sentences: tuple[str, ...] = ()
    scores: tuple[tuple[str, str], ...] = ()
    """Splits with the score of the best; the first is the one to go by."""
    gain: Gain | None = None
    name: str = ""
    """Of the best policy, with its attempt."""
    idea: str = ""
    difference: str = ""
    next_steps: tuple[NextStep, ...] = ()


def opening(data: ReportData) -> Opening:
    """Return the first screen of an experiment's page."""
    best = _told(data)
    headline, *sentences = _verdict(data, best)
    steps = tuple(_next_steps(data, best))
    if best is None:
        return Opening(headline=headline, sentences=tuple(sentences), next_steps=steps)
    scores = scores_of(best, data.tested)
    return Opening(
        headline=headline,
        sentences=tuple(sentences),
        scores=tuple((split, score_text(score)) for split, score in scores),
        gain=_gain(data, best),
        name=_called(best),
        idea=idea(best),
        difference=one_line(data.differences.get(slot_of(best), "")),
        next_steps=steps,
    )


def idea(row: CandidateRow) -> str:
    """Return what a policy does, in two sentences of its docstring; its title without one."""
    paragraphs = [
        " ".join(each.split())
        for each in re.split(r"\n\s*\n", _docstring(row.source or ""))
        if not each.startswith("genome:")
    ]
    sentences = re.split(r"(?<=[.!?]) +(?=[A-Z])", " ".join(paragraphs).strip())
    words = " ".join(sentences[:SENTENCES]) or row.title
    return one_line(words, LONGEST_IDEA)


def _docstring(source: str) -> str:
    try:
        return ast.get_docstring(parse(source)) or ""
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""


def _told(data: ReportData) -> CandidateRow | None:
    """The policy that the first screen is about: what the search holds for its best."""
    if data.promoted_last is not None:
        return data.by_slot[data.promoted_last]
    return data.best


def _called(row: CandidateRow) -> str:
    name = one_line(name_of(row), 60)
    return name if row.iteration == 0 else f"{name} ({slot_name(slot_of(row))})"


def _verdict(data: ReportData, best: CandidateRow | None) -> list[str]:
    """The verdict in short sentences, the most important first."""
    figures = data.test.detail if data.test is not None else {}
    if best is None or not data.guarded or not data.attempts or data.of_simulators:
        return [verdict(data)]
    name, bar = one_line(name_of(best), 60), one_line(str(figures.get("baseline") or ""), 60)
    if best.iteration == 0:
        first = f"No candidate is better than the baselines: {name} remains the best."
        return [first, *_on_test(data, name)]
    if "gain_percent" not in figures:
        if data.test is not None:  # of a history that has words alone
            return [verdict(data)]
        rival = data.best_baseline
        against = "" if rival is None else f" The best baseline is {one_line(rival.title, 60)}."
        return [
            f"{name} is the best of {counted(len(data.attempts), 'candidate')}.",
            f"It was promoted {one_line(best.standing_detail).rstrip('.')}.{against}",
            "The test scenarios were not used, so this is not confirmed yet.",
        ]
    gain = _gain(data, best)
    assert gain is not None
    claims = {
        "better": f"{name} is significantly better than the best baseline, {bar}.",
        "worse": f"{name} is significantly worse than the best baseline, {bar}.",
        "unsure": f"{name} is not significantly better than the best baseline, {bar}.",
    }
    said = [claims[gain.kind], *_on_test(data, name)]
    count = int(figures.get("scenarios") or 0)
    if gain.low is not None and gain.kind == "unsure":
        said.append("The interval of the gain includes zero, so the difference may be chance.")
    if 1 < count < ENOUGH:
        said.append(f"With {counted(count, 'scenario')} the interval is approximate.")
    return said


def _on_test(data: ReportData, name: str) -> list[str]:
    """What the test scenarios showed, in figures."""
    figures = data.test.detail if data.test is not None else {}
    score, other = figures.get("score"), figures.get("baseline_score")
    if score is None or other is None:
        return []
    on = f"On {counted(int(figures.get('scenarios') or 0), 'test scenario')}"
    bar = one_line(str(figures.get("baseline")), 60)
    if bar == name:
        return [f"{on} it scores {score_text(score)} ({reference_name(data)} scores 1)."]
    scale = f"{reference_name(data)} scores 1"
    return [f"{on} it scores {score_text(score)}, {bar} {score_text(other)} ({scale})."]


def _gain(data: ReportData, best: CandidateRow | None) -> Gain | None:
    """The gain on test over the best baseline there; None where the best was not tried on test."""
    figures = data.test.detail if data.test is not None else {}
    if best is None or best.iteration == 0 or figures.get("gain_percent") is None:
        return None
    return drawn_gain(
        one_line(str(figures.get("baseline")), 40),
        counted(int(figures.get("scenarios") or 0), "test scenario"),
        (figures.get("gain_low_percent"), float(figures["gain_percent"])),
        figures.get("gain_high_percent"),
        percent(float(figures.get("level") or 0.95)),
    )


def drawn_gain(
    bar: str, on: str, from_low: tuple[float | None, float], high: float | None, level: str
) -> Gain:
    """Return a gain over ``bar`` as it is drawn: the low end and the mean, and the high end.

    All are in per cent. Without a low end there is no interval, without a high one no upper bound.
    """
    low, mean = from_low
    ends = [0.0, mean, *(each for each in (low, high) if each is not None)]
    width = (max(ends) - min(ends)) or 1.0
    left, right = min(ends) - MARGIN * width, max(ends) + MARGIN * width

    def at(value: float) -> float:
        return round(100 * (value - left) / (right - left), 1)

    words = f"Gain over {bar} on {on}: {_sided(mean)}"
    zero = Mark(at=at(0.0), words=bar)
    if low is None:
        return Gain(
            words=f"{words} (one scenario, no interval)",
            kind="unsure",
            mean=Mark(at=at(mean), words=_sided(mean)),
            zero=zero,
        )
    kind = "better" if low > 0 else "worse" if high is not None and high < 0 else "unsure"
    top = "no upper bound" if high is None else _sided(high)
    return Gain(
        words=f"{words}; {level} confidence interval {_sided(low)} to {top}",
        kind=kind,
        mean=Mark(at=at(mean), words=_sided(mean)),
        zero=zero,
        low=_end(at(low), _sided(low), "end"),
        high=_end(100.0 if high is None else at(high), top, "start"),
    )


def _end(at: float, words: str, outwards: str) -> Mark:
    """An end of the interval; its label stands outwards, unless it would leave the drawing."""
    inside = at < EDGE if outwards == "end" else at > 100 - EDGE
    return Mark(at=at, words=words, anchor="middle" if inside else outwards)


def _sided(gain: float) -> str:
    if f"{abs(gain):.1f}" == "0.0":
        return "no difference"
    return f"{abs(gain):.1f}\N{NO-BREAK SPACE}% {'better' if gain > 0 else 'worse'}"


def _next_steps(data: ReportData, best: CandidateRow | None) -> list[NextStep]:
    """What a reader may do next, the most useful first."""
    row, config = data.experiment, data.experiment.config
    steps = []
    searches = row.strategy in get_args(SearchConfig.model_fields["strategy"].annotation)
    if searches and row.status in ("running", "interrupted", "failed") and not data.alive:
        words = "Continue the search: the same command goes on where it stopped."
        steps.append(NextStep(words=words, command=one_line(command_line(config), 2_000)))
    gain = _gain(data, best)
    wins = gain is not None and gain.kind == "better"
    if best is not None and best.iteration > 0:
        words = f"Read the {data.sought}, and how it did on each scenario."
        show = f"assay show {slot_name(slot_of(best))} --experiment {row.experiment_id}"
        steps.append(NextStep(words=words, command=one_line(show)))
        rival = data.best_baseline
        if rival is not None and not data.of_simulators:
            words = "Compare it with the best baseline on scenarios of your own."
            steps.append(NextStep(words=words, command=_comparison(data, rival)))
    ended = row.status not in ("running", "interrupted", "failed")
    if searches and ended and not wins and not data.of_simulators:
        more = _longer(config)
        if more:
            words = "Search longer: with a larger budget the same search goes on."
            steps.append(NextStep(words=words, command=one_line(more, 2_000)))
        if 0 < sum(each.split == "test" for each in data.scenarios) < ENOUGH:
            words = (
                f"Search on a suite with {ENOUGH} or more test scenarios, "
                "where smaller gains can be told from chance."
            )
            steps.append(NextStep(words=words))
    return steps


def _comparison(data: ReportData, rival: CandidateRow) -> str:
    words = ["assay", "compare", data.experiment.experiment_id, rival.title]
    if data.experiment.domain != DEFAULT:
        words += ["--domain", str(data.experiment.config.get("domain") or data.experiment.domain)]
    return one_line(f"{shlex.join(words)} --suite YOUR-SUITE")


def _longer(config: Mapping[str, Any]) -> str:
    """The command of the same search with four times the candidates; empty without a budget."""
    budget = config.get("budget")
    tried = budget.get("candidates") if isinstance(budget, Mapping) else None
    if not isinstance(budget, Mapping) or not isinstance(tried, int):
        return ""
    return command_line({**config, "budget": {**budget, "candidates": 4 * tried}})
