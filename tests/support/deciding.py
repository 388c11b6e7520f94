"""Runs a library policy on a small workload made by hand and keeps what it decided."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulator.domain import Run
from simulator.domains.pipelines.contract import local_policy
from simulator.domains.pipelines.engine import simulate
from simulator.domains.pipelines.library import policy_source
from simulator.domains.pipelines.messages import Decision, MemoryReading, Observation, Setup
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.workload import Operator, Pipeline, Priority, Segment, Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A container that a policy started; ``operator`` is ``pipeline/operator``."""

    tick: int
    operator: str
    cpus: float
    gb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What a policy did, and what came of it."""

    starts: list[Start]
    run: Run

    def of(self, operator: str) -> list[Start]:
        """Return the starts of one operator, or of one pipeline if its name ends in a slash."""
        return [each for each in self.starts if (each.operator + "/").startswith(operator + "/")]


class Recorder:
    """Passes everything on to a policy and keeps its decisions."""

    def __init__(self, source: str) -> None:
        self.inner = local_policy(source)
        self.decisions: list[Decision] = []

    def start(self, setup: Setup) -> None:
        self.inner.start(setup)

    def decide(
        self, observation: Observation, read_memory: Callable[[int], MemoryReading]
    ) -> Decision:
        decision: Decision = self.inner.decide(observation, read_memory)
        if decision.assignments or decision.suspensions:
            self.decisions.append(decision)
        return decision


def decide(name: str, workload: Workload, **changes: Any) -> Decided:
    """Run the library policy ``name``; ``changes`` are parameters to set."""
    params = Params.from_mapping(
        {
            "duration": 300,
            "ticks_per_second": 10,
            "num_pools": 1,
            "cpus_per_pool": 4,
            "ram_gb_per_pool": 64,
            "multi_operator_containers": False,
            "policy_calls": "on_change",
            **changes,
        }
    )
    recorder = Recorder(policy_source(name))
    run = simulate(workload, params, recorder)
    names = [f"{each.id}/{op.id}" for each in workload.pipelines for op in each.operators]
    starts = [
        Start(tick=decision.tick, operator=names[a.operators[0]], cpus=a.cpu, gb=a.ram)
        for decision in recorder.decisions
        for a in decision.assignments
    ]
    return Decided(starts=starts, run=run)


def chain(
    name: str, priority: Priority, *, second: float, sizes: list[tuple[float, float]]
) -> Pipeline:
    """Return a pipeline whose operators, each ``(seconds, GB)``, run one after the other."""
    return Pipeline(
        id=name,
        priority=priority,
        arrival_tick=round(second * 10),
        operators=tuple(
            Operator(
                id=f"op{place + 1}",
                parents=(place - 1,) if place else (),
                segments=(Segment(baseline_cpu_seconds=seconds, memory_gb=gb),),
            )
            for place, (seconds, gb) in enumerate(sizes)
        ),
    )


def workload_of(*pipelines: Pipeline) -> Workload:
    """Return the workload of these pipelines, in order of arrival."""
    return Workload(pipelines=tuple(sorted(pipelines, key=lambda each: each.arrival_tick)))
