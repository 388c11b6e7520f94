"""The simulator of the queue: its scenarios, and what happens in them second by second."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

from simulator.contract import Policy, refuse
from simulator.domain import Run
from simulator.errors import InputError
from simulator.messages import MessageError, decode, encode
from simulator.suites import check_keys
from simulator.textfile import read_toml, show

from .contract import Observation, Setup

KEYS = ("name", "family", "split", "seed", "jobs", "duration")
SUITE_KEYS = ()
MOST = 100_000
IDLE_POLICY = """
@register_queue_init(key="idle")
def init(queue):
    pass

@register_queue(key="idle")
def step(queue):
    return None
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Jobs as (second of arrival, estimated and true seconds of service), by arrival."""

    name: str
    family: str
    split: str
    calls: str = "on_change"
    duration: int
    jobs: tuple[tuple[int, int, int], ...]

    @property
    def sha256(self) -> str:
        return sha256(encode((self.calls, self.duration, self.jobs))).hexdigest()

    @property
    def duration_seconds(self) -> float:
        return float(self.duration)

    @property
    def size(self) -> dict[str, int]:
        return {"jobs": len(self.jobs)}

    @property
    def figures(self) -> dict[str, float]:
        worst = sum(self.duration - at for at, _, _ in self.jobs) / len(self.jobs)
        return {"worst_seconds_in_system": worst, "half_a_job": 0.5}

    @property
    def settings(self) -> dict[str, Any]:
        return {"duration": self.duration, "calls": self.calls}


def canary() -> Scenario:
    jobs = ((1, 2, 3), (2, 1, 1))
    return Scenario(name="canary", family="canary", split="train", duration=10, jobs=jobs)


def read_scenario(
    entry: Mapping[str, Any], _shared: Mapping[str, Any], _folder: Path, where: str
) -> Scenario:
    check_keys(entry, KEYS, where)
    for key in ("seed", "jobs", "duration"):
        value = entry.get(key)
        if type(value) is not int or not 1 <= value <= MOST:
            raise InputError(f"{where}: {key} is {show(value)}, expected 1 to {MOST}")
    rng, jobs, duration = Random(entry["seed"]), [], entry["duration"]
    for at in sorted(rng.randrange(duration) for _ in range(entry["jobs"])):
        true = rng.choice((5, 10, 60))
        jobs.append((at, max(1, true * rng.randrange(50, 200) // 100), true))
    name, family, split = entry["name"], entry["family"], entry["split"]
    return Scenario(name=name, family=family, split=split, duration=duration, jobs=tuple(jobs))


def open_scenario(path: Path) -> Scenario:
    entry = {"name": path.stem, "family": "file", "split": "train", **read_toml(path, InputError)}
    return read_scenario(entry, {}, path.parent, str(path))


def with_calls(scenario: Scenario, calls: str) -> Scenario:
    return replace(scenario, calls=calls)


def encode_scenario(scenario: Scenario) -> bytes:
    return encode(scenario)


def decode_scenario(data: bytes) -> Scenario:
    try:
        return decode(data, Scenario)
    except MessageError as error:
        raise InputError(str(error)) from None


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
