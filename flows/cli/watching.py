"""What is shown of a search as it runs: live on a terminal, a line an attempt, or JSON."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from flows.cli.progress import EVERY_SECONDS, bar, breaking_silence
from flows.cli.terminal import console, print_line, screen_width
from flows.clock import SystemClock, time_text
from flows.experiment import Finished
from flows.history.records import CandidateRow, format_key
from flows.judging.guards import STOPPED
from flows.names import name_of
from flows.search.budget import Spend
from flows.search.progress import (
    LIVE_HEADER,
    NOT_PROMOTED,
    Began,
    Happening,
    Lost,
    Notice,
    Preparing,
    Progress,
    Settled,
    Stepped,
    Working,
    advance,
    at_work,
    best_text,
    later,
    live_line,
    plain_line,
    rate_text,
    sparkline,
    spend_text,
    time_left_seconds,
)
from flows.untrusted import for_log

CURVE = "best on train"
FIGURES = (
    "candidate", "title", "origin", "operator", "outcome", "score", "validation_score",
    "standing", "standing_detail", "gain_low_percent", "gain_high_percent", "gap_percent",
    "improved", "problem", "problem_line", "duplicate_of",
)  # fmt: skip


INNER = ("largest_", "reserve")
"""What only reserving needs."""


@contextmanager
def watching(quiet: bool = False, as_json: bool = False) -> Iterator[Callable[[Happening], None]]:
    """Show a search while it runs: live on a terminal, else a line for each attempt.

    Where attempts take long, lines on standard error say that the search is still at work.
    """
    if as_json:
        yield _print_events
    elif quiet:
        yield lambda _: None
    elif sys.stdout.isatty() and console().is_terminal and not console().is_dumb_terminal:
        with _LiveView() as view:
            yield view.show
    else:
        with _in_lines() as shown:
            yield shown


def _print_events(happening: Happening) -> None:
    for line in event_lines(happening):
        print_line(line)


@contextmanager
def beside_others(name: str) -> Iterator[Callable[[Happening], None]]:
    """Show one search of several that run side by side: lines that begin with its name."""
    with _in_lines(f"{name}: ") as shown:
        yield shown


@contextmanager
def _in_lines(prefix: str = "") -> Iterator[Callable[[Happening], None]]:
    view = _PlainView(prefix)
    with breaking_silence(view.still_at_work) as spoke:

        def show(happening: Happening) -> None:
            if view.show(happening):
                spoke()

        yield show


class _PlainView:
    def __init__(self, prefix: str) -> None:
        self._progress = Progress()
        self._clock = SystemClock()
        self._since = self._clock.seconds()
        self._stepped = -EVERY_SECONDS
        self._prefix = prefix

    def still_at_work(self) -> str:
        """Return what goes on now, for a reader who sees nothing else."""
        now = later(self._progress, self._clock.seconds() - self._since)
        return f"{self._prefix}{at_work(now)}"

    def show(self, happening: Happening) -> bool:
        """Print the line about a happening; return whether it has one."""
        if isinstance(happening, Preparing | Began | Settled):
            self._since = self._clock.seconds()
        self._progress = advance(self._progress, happening)
        if isinstance(happening, Stepped) and 0 < happening.done < happening.total:
            now = self._clock.seconds()
            if now - self._stepped < EVERY_SECONDS:
                return False
            self._stepped = now
        line = plain_line(self._progress, happening)
        if line is not None:
            print_line(f"{self._prefix}{for_log(line)}")
        return line is not None


class _LiveView:
    """Redraws a few lines in place, the time as it goes; what is lost or said stays above them."""

    def __init__(self) -> None:
        self._progress = Progress()
        self._clock = SystemClock()
        self._since = self._clock.seconds()
        self._live = Live(
            console=console(), refresh_per_second=4, transient=True, get_renderable=self._draw
        )

    def __enter__(self) -> "_LiveView":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, happening: Happening) -> None:
        if isinstance(happening, Preparing | Began | Settled):
            self._since = self._clock.seconds()
        self._progress = advance(self._progress, happening)
        if isinstance(happening, Lost | Notice):
            line = plain_line(self._progress, happening)
            self._live.console.print(Text(for_log(line or "")))
        self._live.refresh()

    def _draw(self) -> Group:
        return _drawing(later(self._progress, self._clock.seconds() - self._since))


def _drawing(progress: Progress) -> Group:
    if progress.config is None:
        step = f"{progress.preparing or 'preparing the search'}  "
        return Group(Text(f"{step}{time_text(progress.spend.seconds)}", style="dim"))
    wanted, width = progress.config.budget.candidates, screen_width()
    lines: list[RenderableType] = [
        Text(f"{progress.experiment_id}  {progress.tried}/{wanted} candidates", no_wrap=True)
    ]
    if progress.best is not None and best_text(progress.best):
        best = Text(best_text(progress.best), style="bold green", no_wrap=True)
        lines.append(best.append(f"  {for_log(name_of(progress.best))}", style="not bold default"))
    if any(progress.curve):
        room = max(10, min(60, width - len(CURVE) - 2))
        lines.append(Text(f"{CURVE}  {sparkline(progress.curve, room)}", no_wrap=True))
    if progress.recent:
        lines.append(Text(LIVE_HEADER, style="dim", no_wrap=True))
    for row in progress.recent:
        style = "green" if row.improved else "" if row.outcome == "ok" else "red"
        style = "yellow" if row.standing in NOT_PROMOTED else style
        style = "dim" if row.standing == STOPPED else style
        lines.append(Text(for_log(live_line(row, width)), style=style, no_wrap=True))
    for key, doing in progress.working.items():
        lines.append(Text(for_log(f"{key:>7}  {doing} ..."), style="dim", no_wrap=True))
    if progress.step is not None:
        what, done, total = progress.step.what, progress.step.done, progress.step.total
        lines.append(bar(f"{what}  {done}/{total}", done, total))
    lines.append(Text(_footer(progress), style="dim"))
    return Group(*lines)


def _footer(progress: Progress) -> str:
    left = time_left_seconds(progress)
    parts = [
        time_text(progress.spend.seconds),
        f"about {time_text(left)} left" if left is not None else "",
        rate_text(progress),
        spend_text(progress.spend),
        f"{progress.lost} lost" if progress.lost else "",
    ]
    return "   ".join(part for part in parts if part)


def event_lines(happening: Happening) -> list[str]:
    """Return the lines for ``happening``: none, one, or two for a new best."""
    return [json.dumps(each, allow_nan=False) for each in _events(happening)]


def ended_line(finished: Finished) -> str:
    """Return the last line of a search that came to an end, with its whole result."""
    result = finished.result
    ended = {
        "event": "ended",
        "experiment": result.experiment_id,
        "status": result.status,
        "detail": result.status_detail,
        "already_done": result.already_done,
        "verdict": result.verdict,
        "test": dict(result.test),
        "best": _attempt(result.best) if result.best is not None else None,
        "tried": sum(row.iteration > 0 for row in result.candidates),
        "promoted": promotions(result.candidates),
        "lost": result.lost,
        "spend": _spend(result.spend),
        "best_policy": str(finished.best_policy) if finished.best_policy else None,
        "report": str(finished.report) if finished.report else None,
    }
    return json.dumps(ended, allow_nan=False)


def interrupted_line(experiment: str, command: str) -> str:
    """Return the last line of a search that was stopped by hand."""
    return json.dumps({"event": "interrupted", "experiment": experiment, "continue": command})


def promotions(candidates: Sequence[CandidateRow]) -> int:
    """Return how many candidates became the best in their turn."""
    return sum(row.improved for row in candidates if row.iteration > 0)


def _events(happening: Happening) -> list[dict[str, Any]]:
    match happening:
        case Began():
            return [_begun(happening)]
        case Settled(row=row, best=best, spend=spend):
            attempt = _attempt(row)
            settled = {"seconds": row.seconds, "best": _short(best), "spend": _spend(spend)}
            events = [{"event": "candidate", **attempt, **settled}]
            if row.improved:
                events.append({"event": "new_best", **attempt})
            return events
        case Lost(iteration=iteration, slot=slot, message=message):
            return [{"event": "lost", "attempt": format_key((iteration, slot)), "message": message}]
        case Notice(message=message):
            return [{"event": "notice", "message": message}]
        case Stepped(what=what, done=done, total=total):
            return [{"event": "step", "what": what, "done": done, "total": total}]
        case Preparing() | Working():
            return []


def _begun(began: Began) -> dict[str, Any]:
    config = began.config
    return {
        "event": "begun",
        "experiment": began.experiment_id,
        "resumed": began.resumed,
        "recorded": len(began.earlier),
        "suite": config.suite,
        "scenarios": began.scenarios,
        "candidates": config.budget.candidates,
        "strategy": config.strategy,
        "objective": config.objective,
        "proposer": config.proposer.kind,
        "slots": config.slots,
        "seed": config.seed,
    }


def _attempt(row: CandidateRow) -> dict[str, Any]:
    figures = {name: getattr(row, name) for name in FIGURES}
    return {"attempt": format_key((row.iteration, row.slot)), "name": name_of(row), **figures}


def _short(row: CandidateRow | None) -> dict[str, Any] | None:
    if row is None:
        return None
    key = format_key((row.iteration, row.slot))
    return {"attempt": key, "score": row.score, "validation_score": row.validation_score}


def _spend(spend: Spend) -> dict[str, Any]:
    return {key: value for key, value in asdict(spend).items() if not key.startswith(INNER)}
