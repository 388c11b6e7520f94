"""A sweep: searches that differ in model, effort, strategy and seed, with one budget over all.

Each of them is an ordinary experiment with its own journal, from which the sweep reads what it has
used. So the same sweep can be run again at any time: what has ended is not run again.
"""

import queue
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path

from flows import toml_text
from flows.attempt import ProposerRefused
from flows.clock import Clock, SystemClock
from flows.errors import AlreadyRunning, ConfigError
from flows.experiment import Finished, preflight
from flows.home import only_one, sweep_folder
from flows.judging.splits import suite_splits
from flows.proposers.prices import price_list, unpriced_model
from flows.report.data import load
from flows.report.sweep import SweepSearch
from flows.report.sweep_page import write_sweep
from flows.search.budget import (
    Reserve,
    Span,
    Spend,
    committed,
    covered_seconds,
    expected_proposal,
    reserve_of,
    running_spans,
    stop_reason,
    wall_seconds,
)
from flows.search.ledger import Ledger, recorded
from flows.search.progress import Happening, Notice, Watch
from flows.settings.search import SearchConfig, experiment_id
from flows.settings.sections import OFFLINE, BudgetConfig
from flows.settings.sweep import Member, SweepConfig, row_label
from flows.untrusted import counted

NEW = "new"
ENDED = ("finished", "budget_exhausted")
WITH_LOSSES = "finished_with_losses"
OTHERS_GO_ON = (ProposerRefused, AlreadyRunning)
"""Ends of one search that are not the whole sweep's."""
GRACE_SECONDS = 10.0
"""How long searches side by side may take to end when the sweep is interrupted."""

RunSearch = Callable[[SearchConfig, Path, Watch], Finished]
"""Runs or continues a search: directly, or as a flow."""
Watching = Callable[[Member], AbstractContextManager[Watch]]
"""Shows one search while it runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a member of a sweep is, by its journal."""

    member: Member
    experiment_id: str
    status: str = NEW
    """``new``, or the status of its experiment."""
    detail: str = ""
    spend: Spend = field(default_factory=Spend)
    """What all its runs have used, with what is reserved for one more call and candidate."""
    spans: tuple[Span, ...] = ()
    """When its runs began and ended."""
    ended: bool = False
    """It came to its end: only a larger budget continues it."""
    complete: bool = False
    """It ended because no policy can be better: more budget changes nothing."""
    refused: str = ""
    """Why it ended in this run of the sweep without an end of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What is left of the budget over all; infinite where there is no limit."""

    candidates: float = inf
    tokens: float = inf
    dollars: float = inf
    seconds: float = inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A member of a sweep before it runs: how far it is, what it may cost, what keeps it."""

    standing: Standing
    dollars: float | None
    """What its candidates are expected to cost; None where a price is unknown."""
    most_dollars: float | None
    """What they cost at most, within its own budget."""
    why_not: str = ""
    """What keeps it from being begun or continued; empty where nothing does."""


def run_sweep(
    config: SweepConfig,
    home: Path,
    run: RunSearch,
    watching: Watching,
    clock: Clock | None = None,
) -> tuple[Standing, ...]:
    """Run or continue all searches that have not ended and that the budget has room for.

    A search that its provider refuses, or that another process works on, ends as such and the
    others go on; any other failure ends the sweep. Everything recorded is kept, whatever comes.
    """
    busy = f"sweep {config.name} is being run"
    with only_one(sweep_folder(home, slug(config)), busy, "sweep"):
        return _Sweep(config, home, run, watching, clock or SystemClock()).through()


def plan(config: SweepConfig, home: Path) -> tuple[Planned, ...]:
    """Return the searches of a sweep with what each may cost; nothing is run."""
    reserves = _reserves(config)
    standings = [standing_of(home, each, reserves[each.number]) for each in config.members()]
    left = left_of(config, standings)
    return tuple(_planned(config, each, left) for each in standings)


def check_sweep(config: SweepConfig, where: str = "") -> None:
    """Refuse, before anything runs, what no search of the sweep could do; ``where`` is its file."""
    over_all, own = config.sweep.budget.dollars, config.budget.dollars
    key, dollars = ("sweep.budget.dollars", over_all) if over_all else ("budget.dollars", own)
    for member in {each.row[:2]: each for each in config.members()}.values():
        unpriced = unpriced_model(member.config.proposer) if dollars else None
        if unpriced is not None:
            raise ConfigError(
                f"{where}{key} is {dollars:g}, but the price of model {unpriced.model!r} at "
                f"{unpriced.address} is not known: add prices = {{ input_per_million = ..., "
                "output_per_million = ... } to its table in sweep.models, or limit tokens instead "
                "of dollars"
            )
        try:
            preflight(member.config)
        except ConfigError as error:
            raise ConfigError(f"{where}{row_label(member.row)}: {error}") from None


def searches_of(
    config: SweepConfig, home: Path, standings: Sequence[Standing] = ()
) -> tuple[SweepSearch, ...]:
    """Return the searches with their rows; ``standings`` know what kept some from an end."""
    refused = {each.member.number: each.refused for each in standings}
    return tuple(_search_of(each, home, refused) for each in plan(config, home))


def keep_page(config: SweepConfig, home: Path, searches: Sequence[SweepSearch]) -> Path:
    """Write the page about the sweep and return its path."""
    settings = config.model_dump(mode="json", exclude={"guards": {"fresh_test"}})
    path = sweep_folder(home, slug(config)) / "sweep.html"
    return write_sweep(path, config.name, searches, toml_text.document(settings))


def status_of(searches: Sequence[SweepSearch], standings: Sequence[Standing]) -> tuple[str, str]:
    """Return how a sweep ended, in the words of a search, with counts."""
    refused = sum(bool(each.refused) for each in standings)
    ended = sum(each.ended for each in standings)
    detail = f"{ended} of {counted(len(searches), 'search', 'searches')} have ended"
    if refused:
        return WITH_LOSSES, f"{detail}; {refused} were refused or lost"
    return ("finished" if ended == len(searches) else "budget_exhausted"), detail


def slug(config: SweepConfig) -> str:
    """Return the name of a sweep as the name of a folder."""
    return re.sub(r"[^a-z0-9]+", "-", config.name.lower()).strip("-") or "sweep"


def standing_of(home: Path, member: Member, reserve: Reserve | None = None) -> Standing:
    """Return how far a search is."""
    identity = experiment_id(member.config)
    rows = recorded(home, identity)
    ledger = Ledger(rows)
    spend = replace(ledger.spend(), seconds=wall_seconds(rows), reserve=reserve or Reserve())
    if ledger.experiment is None:
        return Standing(member=member, experiment_id=identity, spend=spend)
    result = ledger.result(spend)
    budget, status = ledger.experiment.config.get("budget") or {}, result.status
    return Standing(
        member=member,
        experiment_id=identity,
        status=status,
        detail=result.status_detail,
        spend=spend,
        spans=tuple(running_spans(rows)),
        ended=status in ENDED or (status == WITH_LOSSES and not result.cut_short),
        complete=status == "finished" and ledger.tried() < budget.get("candidates", 0),
    )


def left_of(
    config: SweepConfig, standings: Sequence[Standing], running_seconds: float = 0.0
) -> Left:
    """Return what the searches have left of the budget; ``running_seconds`` are not recorded yet.

    Time is that in which any of them ran. A call that may have been charged counts as the largest.
    """
    budget, used = config.sweep.budget, [committed(each.spend) for each in standings]
    seconds = covered_seconds(span for each in standings for span in each.spans)
    candidates = sum(each.spend.candidates for each in standings)
    return Left(
        candidates=_less(budget.candidates, candidates),
        tokens=_less(budget.tokens, sum(tokens for tokens, _ in used)),
        dollars=_less(budget.dollars, sum(dollars for _, dollars in used)),
        seconds=_less(
            None if budget.minutes is None else budget.minutes * 60.0, seconds + running_seconds
        ),
    )


def budget_of(standing: Standing, left: Left, share: int = 1) -> BudgetConfig | None:
    """Return the budget of a search: its own, and no more than a share of what is left for all.

    What it has used itself is added, as the budget of a search counts from its first run. None
    says that not one candidate is left. Without a model there are neither dollars nor tokens.
    """
    own, spend = standing.member.config.budget, standing.spend
    candidates = _smaller(own.candidates, spend.candidates + _part(left.candidates, share))
    seconds = spend.seconds + left.seconds
    if candidates is None or candidates < 1 or seconds <= 0:
        return None
    changes: dict[str, float | None] = {
        "candidates": int(candidates),
        "minutes": _smaller(own.minutes, seconds / 60.0),
    }
    if standing.member.model != OFFLINE:
        tokens, dollars = committed(spend)
        most_tokens = _smaller(own.tokens, tokens + _part(left.tokens, share))
        most_dollars = _smaller(own.dollars, dollars + max(0.0, left.dollars) / share)
        if most_tokens is not None and most_tokens < 1:
            return None
        if most_dollars is not None and most_dollars <= 0:
            return None
        changes |= {
            "tokens": None if most_tokens is None else int(most_tokens),
            "dollars": most_dollars,
        }
    return own.model_copy(update=changes)


def why_not(standing: Standing, budget: BudgetConfig | None) -> str:
    """Return what keeps a search from being begun or continued; empty where nothing does.

    One that was interrupted, or that lost attempts, is continued as long as anything is left.
    """
    if standing.refused:
        return standing.refused
    if standing.complete:
        return standing.detail
    if budget is None:
        return "nothing is left of the budget of the sweep"
    if standing.status != NEW and not standing.ended:
        return ""
    stop = stop_reason(budget, standing.spend)
    return stop.reason if stop is not None else ""


def next_up(
    waiting: Sequence[Standing], left: Left, free: int
) -> tuple[Standing, BudgetConfig] | None:
    """Return the search to begin next and its budget, those first that have not ended yet.

    So many as are ``free`` to run side by side share what is left. Where such a share is too small
    for any of them fewer do.
    """
    open_ = sorted(
        (each for each in waiting if not each.refused and not each.complete),
        key=lambda each: each.ended,
    )
    for share in range(min(free, len(open_)), 0, -1):
        for standing in open_:
            budget = budget_of(standing, left, share)
            if budget is not None and not why_not(standing, budget):
                return standing, budget
    return None


class _Sweep:
    """One run of a sweep: how far each search is, and which of them run at this moment."""

    def __init__(
        self, config: SweepConfig, home: Path, run: RunSearch, watching: Watching, clock: Clock
    ) -> None:
        self._config, self._home, self._run, self._watching = config, home, run, watching
        reserves = _reserves(config)
        self._standings = {
            each.number: standing_of(home, each, reserves[each.number]) for each in config.members()
        }
        self._running: dict[int, BudgetConfig] = {}
        self._ended: queue.SimpleQueue[tuple[int, BaseException | None]] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._clock, self._began = clock, clock.seconds()
        self._before = tuple(span for each in self._standings.values() for span in each.spans)

    def through(self) -> tuple[Standing, ...]:
        """Run what can be run, and return how far each search is then."""
        try:
            while True:
                for standing, budget in iter(self._next, None):
                    self._begin(standing, budget)
                if not self._running:
                    return tuple(self._standings.values())
                self._settle(*self._ended.get())
        except BaseException:
            self._stop()
            raise

    def _next(self) -> tuple[Standing, BudgetConfig] | None:
        """Return a search to begin; None to wait or to end."""
        free = self._config.sweep.at_once - len(self._running)
        waiting = [each for number, each in self._standings.items() if number not in self._running]
        return next_up(waiting, self._left(), free)

    def _left(self) -> Left:
        """Return what is left for others than those that run, which may use all they were given."""
        recorded_only = [replace(each, spans=()) for each in self._standings.values()]
        lasted = covered_seconds(self._before) + self._clock.seconds() - self._began
        left = left_of(self._config, recorded_only, lasted)
        for number, budget in self._running.items():
            spend = self._standings[number].spend
            tokens, dollars = committed(spend)
            left = replace(
                left,
                candidates=left.candidates - (budget.candidates - spend.candidates),
                tokens=left.tokens - ((budget.tokens or tokens) - tokens),
                dollars=left.dollars - ((budget.dollars or dollars) - dollars),
            )
        return left

    def _begin(self, standing: Standing, budget: BudgetConfig) -> None:
        number = standing.member.number
        self._running[number] = budget
        if self._config.sweep.at_once == 1:
            self._work(standing.member, budget)
            return
        thread = threading.Thread(
            target=copy_context().run, args=(self._work, standing.member, budget), daemon=True
        )
        self._threads.append(thread)
        thread.start()

    def _work(self, member: Member, budget: BudgetConfig) -> None:
        """Run one search; an interruption in this thread is the whole sweep's."""
        config = member.config.model_copy(update={"budget": budget})
        failure: BaseException | None = None
        try:
            with self._watching(member) as watch:
                try:
                    self._run(config, self._home, self._stoppable(watch))
                except OTHERS_GO_ON as error:
                    watch(Notice(message=f"{member.label}: {error}; the others go on"))
                    failure = error
        except BaseException as error:
            if self._config.sweep.at_once == 1 and not isinstance(error, Exception):
                raise
            failure = error
        self._ended.put((member.number, failure))

    def _stoppable(self, watch: Watch) -> Watch:
        """Return a watcher through which a search beside others hears that it has to end."""

        def look(happening: Happening) -> None:
            if self._stopping.is_set():
                raise KeyboardInterrupt
            watch(happening)

        return look

    def _settle(self, number: int, failure: BaseException | None) -> None:
        """Read what a search recorded; a refusal is its own, any other failure ends the sweep."""
        del self._running[number]
        before = self._standings[number]
        after = standing_of(self._home, before.member, before.spend.reserve)
        match failure:
            case None if not after.ended:
                after = replace(after, refused=f"{after.status.replace('_', ' ')}: {after.detail}")
            case ProposerRefused() | AlreadyRunning():
                after = replace(after, refused=str(failure))
            case BaseException():
                raise failure
        if before.ended and _progress(after) == _progress(before):
            after = replace(after, complete=True)  # whatever was left, it was not enough
        self._standings[number] = after

    def _stop(self) -> None:
        """Have the searches that run in threads end; they record that they were interrupted."""
        self._stopping.set()
        until = self._clock.seconds() + GRACE_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, until - self._clock.seconds()))


def _search_of(planned: Planned, home: Path, refused: Mapping[int, str]) -> SweepSearch:
    standing = planned.standing
    unfinished = "" if standing.ended or standing.status == NEW else standing.detail
    return SweepSearch(
        member=standing.member,
        experiment_id=standing.experiment_id,
        status=standing.status,
        note=refused.get(standing.member.number) or planned.why_not or unfinished,
        data=None if standing.status == NEW else load(home, standing.experiment_id),
    )


def _planned(config: SweepConfig, standing: Standing, left: Left) -> Planned:
    member = standing.member.config
    reason = why_not(standing, budget_of(standing, left))
    if member.proposer.kind == OFFLINE:
        return Planned(standing=standing, dollars=0.0, most_dollars=0.0, why_not=reason)
    each = expected_proposal(member, price_list(member.proposer.prices))
    candidates = member.budget.candidates - standing.spend.candidates
    limits = [float(each) for each in (member.budget.dollars, config.sweep.budget.dollars) if each]
    return Planned(
        standing=standing,
        dollars=_within(each.dollars, candidates, limits),
        most_dollars=_within(each.most_dollars, candidates, limits),
        why_not=reason,
    )


def _within(dollars: float | None, candidates: int, limits: Sequence[float]) -> float | None:
    return None if dollars is None else min([dollars * max(0, candidates), *limits])


def _reserves(config: SweepConfig) -> dict[int, Reserve]:
    """Return what each search reserves for one more call and candidate, by its number."""
    scenarios = suite_splits(config.suite, config.domain, config.policy_calls)
    return {each.number: reserve_of(each.config, scenarios) for each in config.members()}


def _progress(standing: Standing) -> tuple[int, int]:
    return standing.spend.candidates, standing.spend.calls


def _less(limit: float | None, used: float) -> float:
    return inf if limit is None else limit - used


def _part(left: float, share: int) -> float:
    return inf if left == inf else max(0.0, left // share)


def _smaller(own: float | None, allowed: float) -> float | None:
    if allowed == inf:
        return own
    return allowed if own is None else min(own, allowed)
