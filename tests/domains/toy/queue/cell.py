"""The simulator of the queue: what happens second by second, and what must always hold."""

from dataclasses import replace
from hashlib import sha256
from itertools import pairwise
from random import Random
from typing import Any

from simulator.contract import Policy, refuse
from simulator.domain import Run
from simulator.messages import encode

from .contract import Observation, Setup
from .scenario import (
    Scenario,
    decode_scenario,
    encode_scenario,
    open_scenario,
    read_scenario,
    with_calls,
)

__all__ = ["decode_scenario", "encode_scenario", "open_scenario", "read_scenario", "with_calls"]

SUITE_KEYS = ()
IDLE_POLICY = """
@register_queue_init(key="idle")
def init(queue):
    pass

@register_queue(key="idle")
def step(queue):
    return None
"""


def canary() -> Scenario:
    jobs = ((1, 2, 3), (2, 1, 1))
    return Scenario(name="canary", family="canary", split="train", duration=10, jobs=jobs)


def simulate(scenario: Scenario, policy: Policy) -> Run:
    """In each second: the server finishes, jobs arrive, the policy is called, a job starts."""
    policy.start(Setup(scenario.duration))
    waiting: set[int] = set()
    spans: list[list[Any]] = []
    queue_length, in_system, coming, calls, digest = [], 0, 0, 0, sha256()
    running, ends = None, 0
    for now in range(scenario.duration):
        finished, arrived = None, []
        if running is not None and ends == now:
            finished, running = running, None
        while coming < len(scenario.jobs) and scenario.jobs[coming][0] == now:
            arrived.append((coming, scenario.jobs[coming][1]))
            waiting.add(coming)
            coming += 1
        if arrived or finished is not None or scenario.calls == "every_second":
            decision = policy.decide(Observation(now, now, arrived, finished), lambda _step: None)
            calls += decision.calls
            if decision.start is not None:
                if decision.start not in waiting or running is not None:
                    refuse(f"job {decision.start} cannot start now", now)
                digest.update(encode((now, decision.start)))
                running, ends = decision.start, now + scenario.jobs[decision.start][2]
                waiting.remove(running)
                end = "finished" if ends < scenario.duration else "running"
                spans.append([now, min(ends, scenario.duration), 0, "job", end])
        queue_length.append(len(waiting))
        in_system += len(waiting) + (running is not None)
    return Run(
        stats={},
        metrics={
            "mean_seconds_in_system": in_system / len(scenario.jobs),
            "least_seconds_in_system": least_seconds_in_system(scenario),
            "jobs_finished": sum(span[-1] == "finished" for span in spans),
            "busy_percent": 100 * sum(span[1] - span[0] for span in spans) / scenario.duration,
            "timeline": {"seconds_per_sample": 1.0, "waiting": queue_length},
            "runs": {"created": len(spans), "spans": spans},
        },
        policy_calls=calls,
        decision_sha256=digest.hexdigest(),
    )


def least_seconds_in_system(scenario: Scenario) -> float:
    """Let the job with the least left run each second: with interruptions nothing is better."""
    left: dict[int, int] = {}
    coming = total = 0
    for now in range(scenario.duration):
        while coming < len(scenario.jobs) and scenario.jobs[coming][0] == now:
            left[coming] = scenario.jobs[coming][2]
            coming += 1
        total += len(left)
        if left:
            job = min(left, key=left.__getitem__)
            left[job] -= 1
            if not left[job]:
                del left[job]
    return total / len(scenario.jobs)


def disguise(scenario: Scenario, seed: int) -> tuple[Scenario, int]:
    """Change later arrivals, and true times that cannot have shown even if a job ran at once."""
    rng = Random(seed)
    until = rng.randrange(scenario.duration)
    jobs = []
    for at, estimate, true in scenario.jobs:
        if at > until:
            at, estimate = rng.randrange(until + 1, scenario.duration), rng.randrange(1, 99)
        if at + true > until:
            true = max(1, until - at + 1) + rng.randrange(50)
        jobs.append((at, estimate, true))
    return replace(scenario, jobs=tuple(sorted(jobs, key=lambda job: job[0]))), until


def check_run(scenario: Scenario, run: Run) -> list[str]:
    spans = sorted(run.metrics["runs"]["spans"])
    broken = []
    if any(first[1] > second[0] for first, second in pairwise(spans)):
        broken.append("the server ran two jobs at once")
    waiting = run.metrics["timeline"]["waiting"][-1]
    if len(spans) + waiting != len(scenario.jobs):
        broken.append(f"{len(scenario.jobs)} jobs came, but {len(spans)} + {waiting} are known")
    return broken
