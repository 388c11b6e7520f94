"""What a search found, in one sentence: on test where it was touched, else as it was promoted."""

from collections.abc import Sequence

from flows.history.records import CandidateRow, EventRow
from flows.judging.intervals import Interval


def verdict_of(
    baselines: Sequence[CandidateRow], best: CandidateRow | None, tests: Sequence[EventRow]
) -> str:
    """Return the verdict on an experiment as far as it got."""
    if tests:
        return tests[-1].message
    if best is None:
        return "nothing is known yet: no baseline ended well"
    if best.iteration == 0:
        return stays(best.title)
    bar = max(baselines, key=_worth)
    return (
        f"{best.title} ({best.iteration}/{best.slot}) is the best: {best.standing_detail} "
        f"(the best baseline is {bar.title}); test scenarios were not tried"
    )


def stays(title: str) -> str:
    """Return the verdict when no candidate was promoted."""
    return f"no candidate was shown to be better: the baseline {title} stays the best"


def verdict_on_test(
    best: CandidateRow, score: float, bar: str, bar_score: float, interval: Interval, test: str
) -> str:
    """Return the verdict from ``test``, ``bar`` being the best baseline there."""
    gain = f"{best.title} ({best.iteration}/{best.slot}) against {bar}, {interval.words()}"
    if interval.scenarios > 1 and interval.low > 0.0:
        start = "significantly better than the best baseline"
    elif interval.scenarios > 1 and interval.high < 0.0:
        start = "significantly worse than the best baseline"
    else:
        start = "no significant difference from the best baseline"
    return f"{start} on {test}: {gain}; score {score:.3f} against {bar_score:.3f}"


def _worth(row: CandidateRow) -> float:
    return (row.score if row.validation_score is None else row.validation_score) or 0.0
