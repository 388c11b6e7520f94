"""Where trials happen: side by side in cells of this process, or where an orchestrator says."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import copy_context
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from flows.clock import Clock
from flows.settings.sections import RunnerConfig
from sandbox.errors import CellFailed, SandboxUnavailable
from sandbox.limits import Limits
from sandbox.outcome import Evaluation, Outcome, Trial
from sandbox.trial import Payload, Sandbox
from sandbox.verdict import not_tried, without_what_follows_a_limit
from simulator.cell.frames import TIME_LIMITS
from simulator.domain import Domain

T = TypeVar("T")
Item = TypeVar("Item")
Result = TypeVar("Result")


class Machinery(Protocol):
    """The part of a configuration that says how policies are tried."""

    @property
    def domain(self) -> Domain: ...

    @property
    def limits(self) -> Limits: ...

    @property
    def cell(self) -> str: ...

    @property
    def slots(self) -> int: ...

    @property
    def runner(self) -> RunnerConfig: ...


class Trials(Protocol):
    """Tries policies, from several threads at once; a sandbox does."""

    def try_policy(self, source: str, scenarios: Sequence[Payload]) -> Trial:
        """Return how the policy did; raise a SandboxError when that could not be found out."""
        ...

    def prepare(self, scenarios: int) -> None:
        """Start cells ahead, where that is of use."""
        ...

    def last_trials(self) -> None:
        """Start no more cells ahead: the trials that begin from now on are the last."""
        ...

    def info(self) -> dict[str, Any]:
        """Return the host, engine, image and isolation of the trials, for the record."""
        ...


OpenTrials = Callable[[Machinery], AbstractContextManager[Trials]]


@contextmanager
def in_this_process(config: Machinery) -> Iterator[Trials]:
    """Try policies in cells that this process starts."""
    with Sandbox(
        limits=config.limits,
        slots=config.slots,
        ready=True,
        cell=config.cell,
        domain=config.domain,
    ) as sandbox:
        yield sandbox


def shares(costs: Mapping[T, float], count: int) -> list[set[T]]:
    """Return the things that have ``costs`` in up to ``count`` parts, at least one, of like cost.

    The dearest goes first, each to the part that costs least so far.
    """
    parts: list[tuple[float, set[T]]] = [(0.0, set()) for _ in range(max(1, count))]
    for thing in sorted(costs, key=lambda each: -costs[each]):
        place = min(range(len(parts)), key=lambda number: (parts[number][0], len(parts[number][1])))
        spent, part = parts[place]
        parts[place] = spent + costs[thing], part | {thing}
    return [part for _, part in parts if part]


def rejoined(trials: Sequence[Trial], scenarios: Sequence[str]) -> Trial:
    """Return the trials of one candidate, each on some of ``scenarios``, as one of one cell.

    Each has its scenarios in that order, so the result does not depend on how they were shared.
    """
    left: dict[str, list[Evaluation]] = {name: [] for name in scenarios}
    for each in (each for trial in trials for each in trial.evaluations):
        left[each.scenario].append(each)
    every = tuple(left[name].pop(0) for name in scenarios)
    first, *others = (replace(trial, evaluations=()) for trial in trials)
    return joined([replace(first, evaluations=every), *others])


def joined(trials: Sequence[Trial]) -> Trial:
    """Return the trials of one candidate as one; the cell's seconds are those of all cells.

    Scenarios after a time limit count as not tried, as in one cell. The result does not depend on
    the number of cells or on which finished first.
    """
    first = trials[0]
    if len(trials) == 1:
        return first
    every = [each for trial in trials for each in trial.evaluations]
    evaluations = without_what_follows_a_limit(every)
    failed = (each.outcome for each in evaluations if each.outcome is not Outcome.OK)
    seconds = sum(each.cell.seconds for each in trials if each.cell is not None)
    return replace(
        first,
        outcome=next(failed, Outcome.OK),
        evaluations=evaluations,
        cell=replace(first.cell, seconds=seconds) if first.cell is not None else None,
    )


def in_one(trials: Sequence[Trial], scenarios: Sequence[str]) -> Trial:
    """Return trials of one candidate as one, in the order of ``scenarios``; repeats come last."""
    whole, place = joined(trials), {name: number for number, name in enumerate(scenarios)}
    first: dict[str, Evaluation] = {}
    repeats = [e for e in whole.evaluations if first.setdefault(e.scenario, e) is not e]
    ordered = sorted(first.values(), key=lambda each: place[each.scenario])
    failed = (each.outcome for each in ordered if each.outcome is not Outcome.OK)
    return replace(whole, outcome=next(failed, Outcome.OK), evaluations=(*ordered, *repeats))


def has_limit(trial: Trial) -> bool:
    """Return whether the policy reached a time limit, after which nothing more is tried."""
    return any(each.outcome in TIME_LIMITS for each in trial.evaluations)


def completed(trials: Sequence[Trial], scenarios: Sequence[str]) -> Trial:
    """Return trials of one candidate as one, with what a failure left out as one cell has it.

    That is each of ``scenarios`` after a time limit, in the order of the trials, and the repeat of
    the first scenario.
    """
    whole = in_one(trials, scenarios)
    limit = next((each for each in whole.evaluations if each.outcome in TIME_LIMITS), None)
    evaluations = list(whole.evaluations)
    if limit is not None:
        tried = {each.scenario for each in evaluations}
        evaluations = list(joined(trials).evaluations)
        evaluations += [not_tried(name, limit) for name in scenarios if name not in tried]
    firsts = [each for each in evaluations if each.scenario == scenarios[0]]
    if len(firsts) == 1:
        evaluations.append(_repeat_after(firsts[0], limit))
    return replace(whole, evaluations=tuple(evaluations))


def _repeat_after(first: Evaluation, limit: Evaluation | None) -> Evaluation:
    """Return the repeat of a scenario that is not tried again: it failed, or another did."""
    if first.outcome is Outcome.OK and limit is not None:
        return not_tried(first.scenario, limit)
    return replace(first, policy_cpu_seconds=0.0, simulator_cpu_seconds=0.0, seconds=0.0)


RETRY_SECONDS = (1.0, 4.0)
"""Seconds to wait before each retry of a hop whose failure is not the policy's."""
OURS = (CellFailed, SandboxUnavailable)


class Around(Protocol):
    """Runs a hop that leaves this process; an orchestrator wraps it in a task."""

    def __call__(self, hop: str, label: str, call: Callable[[], T]) -> T:
        """Return the result of ``call``; retry a trial when the failure is not the policy's."""
        ...


def at_once(hop: str, label: str, call: Callable[[], T]) -> T:
    """Run a hop as it is."""
    return call()


def patiently(clock: Clock, say: Callable[[str], None]) -> Around:
    """Return the plain way to run a hop: again after a wait when the failure is ours."""

    def run(hop: str, label: str, call: Callable[[], T]) -> T:
        for seconds in RETRY_SECONDS:
            try:
                return call()
            except OURS as error:
                say(f"{hop} {label}: again in {seconds:g} s: {error}")
                clock.wait(seconds)
        return call()

    return run


class Evaluator(Protocol):
    """Tries a policy on scenarios; a sandbox does it in cells."""

    def try_policy(self, source: str, scenarios: Sequence[Payload]) -> Trial:
        """Return how the policy did; raise a SandboxError when that could not be found out."""
        ...


def side_by_side(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Return ``function`` of each item, in order; raise the first failure once all have ended.

    A single item is worked on in this thread. Threads are daemons: an interrupted caller does not
    wait for them.
    """
    if len(items) == 1:
        return [function(items[0])]
    results: dict[int, Result] = {}
    failures: dict[int, BaseException] = {}

    def work(position: int) -> None:
        try:
            results[position] = function(items[position])
        except BaseException as error:
            failures[position] = error

    contexts = [copy_context() for _ in items]
    threads = [
        threading.Thread(target=context.run, args=(work, position), daemon=True)
        for position, context in enumerate(contexts)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[min(failures)]
    return [results[position] for position in range(len(items))]
