"""What a search reports while it runs, as values, and how it is shown: lines, or a live view."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flows.clock import time_text
from flows.history.records import CandidateRow
from flows.judging.guards import PROMOTED, reason_in_short
from flows.judging.leaderboard import scores_text
from flows.names import name_of
from flows.search.budget import Spend
from flows.settings.search import SearchConfig
from flows.untrusted import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparing:
    """A step begins of what comes before the search, such as the start of a server."""

    step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """The search starts; ``earlier`` holds the attempts of earlier runs."""

    experiment_id: str
    config: SearchConfig
    scenarios: int
    earlier: tuple[CandidateRow, ...] = ()
    spend: Spend = field(default_factory=Spend)
    resumed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Working:
    """A hop starts: propose, try, confirm, elite, audit or test; in a race try 3/15 and so on."""

    iteration: int
    slot: int
    hop: str
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """An attempt is recorded."""

    row: CandidateRow
    best: CandidateRow | None
    spend: Spend


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """An attempt was lost to a failure that is not the policy's."""

    iteration: int
    slot: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One line for the reader."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepped:
    """So much is done of something that follows a search; ``done`` is 0 when it begins."""

    what: str
    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """How a search ended, with everything it tried."""

    experiment_id: str
    status: str
    status_detail: str
    candidates: tuple[CandidateRow, ...]
    best: CandidateRow | None
    lost: int
    spend: Spend
    cut_short: bool = False
    """It ended before its candidates were tried, because attempts were lost."""
    already_done: bool = False
    """The experiment had ended in an earlier run, so that nothing was tried now."""
    verdict: str = ""
    """The result in a sentence: the best against the best baseline, on test where it was used."""
    test: Mapping[str, Any] = field(default_factory=dict)
    """Figures of the test scenarios; empty when they were not touched."""


Happening = Preparing | Began | Working | Settled | Lost | Notice | Stepped


Watch = Callable[[Happening], None]


def ignore(_: object) -> None:
    """Watch nothing."""


LONGEST = 160
"""Most characters of a reason shown with an attempt."""
BARS = "▁▂▃▄▅▆▇█"
NOT_PROMOTED = ("refused", "barred")
"""Standings of candidates that beat the best on train but were not promoted."""
EXPLAINED = (*NOT_PROMOTED, "stopped")
"""Standings that are shown with their reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Everything that is shown, computed from what happened so far."""

    preparing: str = ""
    """The step of the preparations that goes on; empty once the search began."""
    config: SearchConfig | None = None
    experiment_id: str = ""
    tried: int = 0
    best: CandidateRow | None = None
    curve: tuple[float, ...] = ()
    recent: tuple[CandidateRow, ...] = ()
    working: dict[str, str] = field(default_factory=dict)
    spend: Spend = field(default_factory=Spend)
    baseline_seconds: float = 0.0
    """What was used before the first candidate; a rate of candidates leaves it out."""
    lost: int = 0
    step: Stepped | None = None
    """What goes on after the candidates, None before and between."""
    concluding: bool = False
    """Whether the candidates are done, so that their rate says nothing of what is left."""


def advance(progress: Progress, happening: Happening) -> Progress:
    """Return what is known after one more happening."""
    match happening:
        case Preparing(step=step):
            return replace(progress, preparing=step)
        case Began():
            return _begun(happening)
        case Working(iteration=iteration, slot=slot, hop=hop, title=title):
            working = {**progress.working, f"{iteration}/{slot}": f"{hop} {title}".strip()}
            return replace(progress, working=working)
        case Settled(row=row, best=best, spend=spend):
            score = best.score if best is not None else None
            return replace(
                progress,
                tried=spend.candidates,
                best=best,
                curve=(*progress.curve, score or 0.0),
                recent=(*progress.recent[-7:], row),
                working=_without(progress, row.iteration, row.slot),
                spend=spend,
                baseline_seconds=progress.baseline_seconds if spend.candidates else spend.seconds,
            )
        case Lost(iteration=iteration, slot=slot):
            return replace(
                progress, lost=progress.lost + 1, working=_without(progress, iteration, slot)
            )
        case Stepped(done=done, total=total):
            now = happening if done < total else None
            return replace(progress, step=now, working={}, concluding=True)
        case Notice():
            return progress


def plain_line(progress: Progress, happening: Happening) -> str | None:
    """Return the line that a log shows for ``happening``, None if it gets no line."""
    match happening:
        case Preparing(step=step):
            return step
        case Began(config=config, experiment_id=experiment, resumed=resumed, earlier=earlier):
            verb = f"continues after {counted(len(earlier), 'attempt')}" if resumed else "begins"
            return (
                f"experiment {experiment} {verb}: suite {config.suite} "
                f"({happening.scenarios} train scenarios), {config.budget.candidates} candidates "
                f"from the {config.proposer.kind} proposer, {config.slots} at a time"
            )
        case Settled(row=row):
            return attempt_line(row, progress.best)
        case Lost(iteration=iteration, slot=slot, message=message):
            return f"{iteration:>4}/{slot}  lost (not the fault of a policy): {message}"
        case Notice(message=message):
            return message
        case Stepped(what=what, done=done, total=total):
            return f"{what}: {done} of {total}"
        case Working():
            return None


def at_work(progress: Progress) -> str:
    """Return what goes on now and for how long, where a log would otherwise be silent."""
    took, config = time_text(progress.spend.seconds), progress.config
    if config is None:
        return f"{progress.preparing or 'preparing the search'}: {took} so far"
    done = f"{progress.tried} of {config.budget.candidates} candidates tried after {took}"
    doing = [f"{key} {what}" for key, what in progress.working.items()]
    if progress.step is not None:
        step = progress.step
        doing.append(f"{step.what}: {step.done} of {step.total}")
    return f"{done}, now {', '.join(doing)}" if doing else done


def attempt_line(row: CandidateRow, best: CandidateRow | None = None) -> str:
    """Return one attempt in one line: number, outcome, score, best so far, name, title and why."""
    score = "     -" if row.score is None else f"{row.score:6.3f}"
    mark = "*" if row.improved else " "
    bar = f"best {best.score:.3f}  " if best is not None and best.score is not None else ""
    name = name_of(row)
    title = f": {row.title}" if row.title not in ("", name) else ""
    return (
        f"{row.iteration:>4}/{row.slot}  {row.outcome:<16} {score}{mark} {bar}{name}{title}"
        f"{_why(row)}"
    )


LIVE_HEADER = f"{'attempt':>7}  {'name':<17} {'train':>7} {'valid.':>7}"


def live_line(row: CandidateRow, width: int) -> str:
    """Return one attempt in one line of ``width`` characters: its scores and what became of it."""
    scores = ("-" if each is None else f"{each:.3f}" for each in (row.score, row.validation_score))
    train, validation = (f"{each:>7}" for each in scores)
    place = f"{row.iteration:>5}/{row.slot}"
    line = f"{place}  {name_of(row):<17} {train} {validation}  {became(row)}".rstrip()
    return line if len(line) <= width else f"{line[: width - 1]}…"


def became(row: CandidateRow) -> str:
    """Return what became of an attempt, in a few words: ``refused: not better on validation``."""
    if row.outcome != "ok":
        line = f"line {row.problem_line}: " if row.problem_line is not None else ""
        return f"{row.outcome}: {line}{_brief(row.problem or '')}".rstrip(": ")
    if row.standing == PROMOTED:
        return "the best baseline so far" if row.iteration == 0 else "promoted: the best so far"
    if row.standing:
        return f"{row.standing}: {_brief(reason_in_short(row))}"
    if row.duplicate_of is not None:
        return f"the same as {row.duplicate_of}"
    return "baseline" if row.iteration == 0 else "not better on train"


def sparkline(values: Sequence[float], width: int = 40) -> str:
    """Return a curve of block characters, the newest value at the right."""
    shown = list(values)[-width:]
    if not shown:
        return ""
    low, high = min(shown), max(shown)
    span = (high - low) or 1.0
    return "".join(BARS[round((value - low) / span * (len(BARS) - 1))] for value in shown)


def later(progress: Progress, seconds: float) -> Progress:
    """Return the same ``seconds`` after the last attempt was settled."""
    spend = progress.spend
    return replace(progress, spend=replace(spend, seconds=spend.seconds + seconds))


def rate_text(progress: Progress) -> str:
    """Return how fast the search goes, nothing before the first candidate."""
    each = _seconds_each(progress)
    return f"{60 / each:.1f} a minute" if each else ""


def time_left_seconds(progress: Progress) -> float | None:
    """Return a guess from the rate so far, bounded by the budget of time; None without one."""
    config, spend, each = progress.config, progress.spend, _seconds_each(progress)
    if config is None or each is None or spend.candidates >= config.budget.candidates:
        return None
    left = (config.budget.candidates - spend.candidates) * each
    if config.budget.minutes is not None:
        left = min(left, config.budget.minutes * 60.0 - spend.seconds)
    return max(0.0, left)


def spend_text(spend: Spend) -> str:
    """Return what a model cost, or nothing when none was asked."""
    if spend.calls == 0:
        return ""
    money = f"${spend.dollars:.4f}"
    if spend.unpriced_calls:
        money += f" and {counted(spend.unpriced_calls, 'call')} of unknown price"
    return f"{counted(spend.calls, 'call')}, {spend.tokens} tokens, {money}"


def best_text(best: CandidateRow | None) -> str:
    """Return the scores of the best so far, that of validation first where it is known."""
    return "" if best is None or best.score is None else f"best {scores_text(best, {})}"


def _begun(began: Began) -> Progress:
    """Return what earlier runs of the search would have shown by now."""
    best: CandidateRow | None = None
    curve: list[float] = []
    for row in began.earlier:
        best = row if row.improved else best
        curve.append(best.score or 0.0 if best is not None else 0.0)
    return Progress(
        config=began.config,
        experiment_id=began.experiment_id,
        tried=began.spend.candidates,
        best=best,
        curve=tuple(curve),
        recent=began.earlier[-8:],
        spend=began.spend,
    )


def _seconds_each(progress: Progress) -> float | None:
    spend = progress.spend
    used = spend.seconds - progress.baseline_seconds
    known = spend.candidates and used > 0 and not progress.concluding
    return used / spend.candidates if known else None


def _why(row: CandidateRow) -> str:
    same = f"same as {row.duplicate_of}" if row.duplicate_of is not None else ""
    if row.standing in EXPLAINED and not row.standing_detail.startswith(f"the {same}"):
        ruling = f"{row.standing}: {_brief(row.standing_detail)}"
        return f"  ({ruling}; {same})" if same else f"  ({ruling})"
    if same:
        return f"  ({same})"
    if row.problem is None:
        return ""
    line = f"line {row.problem_line}: " if row.problem_line is not None else ""
    return f"  ({line}{_brief(row.problem)})"


def _brief(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 1]}…"


def _without(progress: Progress, iteration: int, slot: int) -> dict[str, str]:
    key = f"{iteration}/{slot}"
    return {name: doing for name, doing in progress.working.items() if name != key}
