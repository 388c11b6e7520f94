"""Tries one candidate on the scenarios of a job, each in workers of its own; reports on all."""

import gc
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import Any, cast

from simulator import __version__
from simulator.cell.channel import Budget, Channel
from simulator.cell.cleantext import clean_text
from simulator.cell.crew import Member
from simulator.cell.evidence import isolation_report, standing_of, worker_gaps
from simulator.cell.frames import (
    NOT_TRIED,
    TIME_LIMITS,
    CellReport,
    Job,
    Tried,
    not_tried_because,
)
from simulator.cell.seal import SPLIT
from simulator.cell.sealed_policy import SealedPolicy
from simulator.cell.turns import CANDIDATE, TimeIsUp, Turns
from simulator.domain import BOOTSTRAP, Domain, Run, Scenario, SealedHalf
from simulator.errors import Failure, PolicyFailure

_ALARM_GRACE_SECONDS = 5.0
_SOON_SECONDS = 1e-3
"""What a timer is set to where no time is left, as 0 would switch it off."""


class CellFault(RuntimeError):
    """The cell cannot do its job as asked; nobody's policy is to blame."""


def try_job(job: Job, members: list[Member], isolation: str, domain: Domain) -> CellReport:
    """Return how the candidate did on every scenario of ``job``, in their order.

    Workers beyond the scenarios stay behind their seals and never hear of anything. A policy that
    the first worker cannot load fails everywhere: loading sees no scenario. After one that reached
    a limit of time, which it may do in every scenario, the rest is not tried.
    """
    facts: dict[str, Any] = {}
    stopped: Tried | None = None
    tried: list[Tried] = []
    fault = None
    width = domain.workers
    budgets = [Budget(job.limits) for _ in range(width)]
    try:
        if job.domain_sha256 != domain.sha256:
            raise CellFault(f"the job is for another domain than the one here, {domain.root.name}")
        if len(members) < width * len(job.scenarios):
            raise CellFault(f"{len(job.scenarios)} scenarios for {len(members)} workers")
        for payload, own in zip(job.scenarios, _in_groups(members, width), strict=False):
            facts = _require_seal(isolation, own)
            scenario = domain.cell.decode_scenario(payload)
            channels = [Channel(*each) for each in zip(own, budgets, strict=True)]
            if stopped is not None:
                for channel in channels:
                    channel.close()
                tried.append(replace(stopped, scenario=scenario.name))
                continue
            ended, loaded = _try_scenario(domain, scenario, job, channels, budgets)
            stopped = _what_the_rest_is(ended, can_be_loaded=loaded or bool(tried))
            tried.append(ended)
            del scenario
            gc.collect()  # of what the simulation left; while one runs nothing is collected
    except Exception as error:  # a fault of ours must be told, and never scored
        fault = f"{type(error).__name__}: {error}"
    return CellReport(
        simulator_version=__version__,
        domain_sha256=domain.sha256,
        isolation=facts,
        tried=tried,
        fault=fault,
    )


def _in_groups(members: Sequence[Member], size: int) -> list[Sequence[Member]]:
    return [members[place : place + size] for place in range(0, len(members), size)]


def _what_the_rest_is(ended: Tried, *, can_be_loaded: bool) -> Tried | None:
    """Return what every later scenario comes to, None where each has to be tried."""
    if not can_be_loaded:
        return replace(
            ended, policy_cpu_seconds=0.0, simulator_cpu_seconds=0.0, seconds=0.0, prints=""
        )
    if ended.outcome not in TIME_LIMITS:
        return None
    reason = not_tried_because(ended.outcome, ended.scenario, ended.message or "")
    return Tried(scenario="", outcome=NOT_TRIED, message=reason)


def _require_seal(isolation: str, members: Sequence[Member]) -> dict[str, Any]:
    """Return what protects us from the workers of a scenario, and each of them from the other.

    Raise where that is less than was asked.
    """
    trusted = standing_of(os.getpid())
    workers = [standing_of(member.pid) for member in members]
    for worker in workers:
        gaps = worker_gaps(isolation, worker, trusted)
        if isolation == SPLIT and len({each.uids for each in workers}) < len(workers):
            gaps.append("it shares a user id with the other worker of its scenario")
        if gaps:
            raise CellFault(f"a worker is not sealed as asked ({isolation}): {'; '.join(gaps)}")
    return isolation_report(isolation, workers[CANDIDATE], trusted)


def _try_scenario(
    domain: Domain,
    scenario: Scenario,
    job: Job,
    channels: Sequence[Channel],
    budgets: Sequence[Budget],
) -> tuple[Tried, bool]:
    """Return how it went, and whether the policy could be loaded."""
    twins = domain.role == BOOTSTRAP
    started, turns = time.monotonic(), Turns(channels, budgets, twins=twins)
    sources = [job.source]
    if len(channels) > 1:
        sources += cast(SealedHalf, domain.cell).sources(scenario, job.source)
    workers = [
        SealedPolicy(contract.dialogue, source, channel, job.limits)
        for contract, source, channel in zip(domain.contracts, sources, channels, strict=True)
    ]
    policy, channel = workers[CANDIDATE], channels[CANDIDATE]
    ports = [turns.port(worker, place) for place, worker in enumerate(workers)]
    ended: Run | Failure
    try:
        with _alarms(budgets, turns):
            ended = domain.cell.simulate(scenario, *(ports if len(ports) > 1 else workers))
    except PolicyFailure as error:
        ended = error.failure
    except TimeIsUp as error:
        ended = error.failure.failure
    finally:
        for each in channels:
            each.close()
    policy_cpu_seconds, simulator_cpu_seconds = turns.settle()
    common: dict[str, Any] = {
        "scenario": scenario.name,
        "policy_cpu_seconds": policy_cpu_seconds,
        "simulator_cpu_seconds": simulator_cpu_seconds,
        "seconds": time.monotonic() - started,
        "prints": channel.prints,
    }
    if isinstance(ended, Failure):
        failed = Tried(
            outcome=ended.kind,
            message=clean_text(ended.message, job.limits.failure_text_chars),
            line=ended.line,
            step=ended.step,
            policy_calls=policy.calls,
            **common,
        )
        return failed, policy.loaded
    done = Tried(
        outcome="ok",
        stats=ended.stats,
        metrics=ended.metrics,
        policy_calls=ended.policy_calls,
        decision_sha256=ended.decision_sha256,
        **common,
    )
    return done, True


@contextmanager
def _alarms(budgets: Sequence[Budget], turns: Turns) -> Iterator[None]:
    """Break off a scenario that takes too long between two calls of the policy."""

    def ring(_signal: int, _frame: FrameType | None) -> None:
        raise turns.out_of_time(Budget.wall_limit_reached)

    def ring_for_cpu(_signal: int, _frame: FrameType | None) -> None:
        raise turns.out_of_time(Budget.simulator_cpu_limit_reached)

    wall = sum(each.wall_seconds for each in budgets) + _ALARM_GRACE_SECONDS
    cpu = sum(each.simulator_cpu_seconds for each in budgets)
    timers = (
        (signal.ITIMER_REAL, signal.SIGALRM, ring, wall),
        (signal.ITIMER_PROF, signal.SIGPROF, ring_for_cpu, cpu),
    )
    for timer, number, handler, seconds in timers:
        signal.signal(number, handler)
        signal.setitimer(timer, max(seconds, _SOON_SECONDS))
    try:
        yield
    finally:
        for timer, *_ in timers:
            signal.setitimer(timer, 0)
