"""What a search found, in a sentence: the top of a report."""

from flows.history.records import CandidateRow
from flows.judging.leaderboard import verdict_of
from flows.report.data import ReportData, slot_name, slot_of
from flows.report.summary import reference_name
from flows.report.text import one_line, percent, score_text
from flows.wording import counted


def verdict(data: ReportData) -> str:
    """What came of the search, in a sentence or two."""
    best, tried = data.best, counted(len(data.attempts), "candidate")
    if not data.attempts:
        return "No candidate has been tried yet."
    if data.guarded:
        return f"{_ruled(data)} {tried} {'was' if len(data.attempts) == 1 else 'were'} tried."
    if best is None or best.score is None:
        return f"None of {tried} ran to the end on every scenario."
    name = f"“{one_line(best.title, 80)}” ({slot_name(slot_of(best))})"
    rival = max(
        (row for row in data.baselines if row.score is not None),
        key=lambda row: row.score or 0.0,
        default=None,
    )
    if rival is None or rival.score is None:
        return f"The best of {tried} is {name} with a score of {score_text(best.score)}."
    rival_name = f"{one_line(rival.title, 40)} ({score_text(rival.score)})"
    if best.score <= rival.score:
        return (
            f"None of {tried} beats the best baseline, {rival_name}; "
            f"the best is {name} with a score of {score_text(best.score)}."
        )
    return (
        f"The best of {tried}, {name}, scores {score_text(best.score)}: "
        f"{_gain(best.score, rival.score)} the best baseline, {rival_name}.{_saving(data, best)}"
    )


def _ruled(data: ReportData) -> str:
    """The search's own verdict: on test where that was tried, else as the best was promoted."""
    promoted = [row for row in data.candidates if row.improved]
    best = max(promoted, key=slot_of, default=None)
    tests = [event for event in data.events if event.kind == "test"]
    words = one_line(verdict_of(data.baselines, best, tests)).rstrip(".")
    return f"{words[:1].upper()}{words[1:]}."


def _gain(score: float, other: float) -> str:
    if other <= 0 or score / other < 2:
        return f"{percent(score / other - 1)} more than" if other > 0 else "more than"
    return f"{score / other:.1f} times"


def _saving(data: ReportData, best: CandidateRow) -> str:
    if not best.score or best.score <= 1 or data.experiment.objective != "weighted_latency":
        return ""
    return (
        f" Its weighted latency is {percent(1 - 1 / best.score)} below that of "
        f"{reference_name(data)} (geometric mean over the scenarios)."
    )
