"""The oracle's loop: every tick is walked through, and every pipeline is looked at when needed."""

import math
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.workload import Workload, iteration_order
from tests.oracle.machine import InvalidDecisionError, Pool, compensated_sum
from tests.oracle.names import (
    Assignment,
    Estimate,
    ExecutionResult,
    Operator,
    Pipeline,
    Priority,
    Registry,
    Suspend,
)

Decision = tuple[int, list[tuple[str, int]], list[tuple[list[int], float, float, int, int]]]
CLASSES = {
    "query": Priority.QUERY,
    "interactive": Priority.INTERACTIVE,
    "batch": Priority.BATCH_PIPELINE,
}
WEIGHTS = {Priority.QUERY: 10, Priority.INTERACTIVE: 5, Priority.BATCH_PIPELINE: 1}


@dataclass(kw_only=True)
class OracleRun:
    """What a run gave: the statistics, every decision that was not empty, the failure if any."""

    stats: dict[str, Any] = field(default_factory=dict)
    decisions: list[Decision] = field(default_factory=list)
    calls: int = 0
    failure: str | None = None
    failure_tick: int | None = None


def simulate_by_ticks(workload: Workload, params: Params, source: str) -> OracleRun:
    """Run a policy's source on a workload, calling it on every tick."""
    simulation = _Simulation(workload, params)
    run = OracleRun()
    registry = Registry()
    registry.load(source)
    registry.init(simulation.seen)
    results: list[ExecutionResult] = []
    for tick in range(params.num_ticks):
        simulation.tick = tick
        arrived = simulation.arrive()
        run.calls += 1
        try:
            suspensions, assignments = registry.step(simulation.seen, results, arrived)
            if suspensions or assignments:
                run.decisions.append(_record(tick, suspensions, assignments))
            results = simulation.run_tick(suspensions, assignments)
        except (InvalidDecisionError, AssertionError) as problem:
            run.failure, run.failure_tick = str(problem), tick
            return run
    run.stats = simulation.stats()
    return run


def _record(tick: int, suspensions: list[Suspend], assignments: list[Assignment]) -> Decision:
    return (
        tick,
        [(each.container_id, each.pool_id) for each in suspensions],
        [
            ([op.number for op in a.ops], a.cpu, a.ram, a.pool_id, a.priority.value)
            for a in assignments
        ],
    )


class _Simulation:
    """All state of one run."""

    def __init__(self, workload: Workload, params: Params) -> None:
        self.params = params
        self.tick = 0
        self.pools = [Pool(number, params, self) for number in range(params.num_pools)]
        self.pending = list(workload.pipelines)[::-1]
        self.outstanding: dict[str, Pipeline] = {}
        self.arrived: list[Pipeline] = []
        self.latencies: list[tuple[Priority, int]] = []
        self.timed_out: list[Priority] = []
        self.counts = {"assignments": 0, "suspensions": 0, "failures": 0}
        self.errors: dict[str, int] = {}
        self.samples: list[tuple[float, float]] = []
        self.operators = self.containers = 0
        self.rng = np.random.default_rng(params.random_seed)
        shown = {k: v for k, v in params.to_mapping().items() if k != "scheduler_algo"}
        self.seen = SimpleNamespace(
            params=shown,
            algo_name=params.scheduler_algo,
            executor=SimpleNamespace(
                pools=self.pools,
                num_pools=params.num_pools,
                get_pool_id_with_max_avail_ram=self.freest_pool,
            ),
            clock=SimpleNamespace(now_ticks=lambda: self.tick, now_seconds=self.now),
            now=self.now,
            wake_in=lambda seconds: None,
            wake_at=lambda seconds: None,
        )

    def now(self) -> float:
        return self.tick / self.params.ticks_per_second

    def freest_pool(self) -> int:
        best = max(self.pools, key=lambda pool: pool.avail_ram_pool)
        return best.pool_id if best.avail_ram_pool > -1 else -1

    def next_container(self) -> str:
        self.containers += 1
        return f"c{self.containers}"

    def arrive(self) -> list[Pipeline]:
        """Return the pipelines that arrive on this tick."""
        arrived = []
        while self.pending and self.pending[-1].arrival_tick <= self.tick:
            given = self.pending.pop()
            pipeline = Pipeline(given.id, Priority(int(given.priority)), lambda: self.tick)
            pipeline.arrival_tick = self.tick
            pipeline.max_job_ticks = self.params.max_job_ticks
            operators: list[Operator] = []
            for work in given.operators:
                parents = [operators[place] for place in work.parents]
                name = f"{given.id}/{work.id}"
                operators.append(Operator(name, self.operators, pipeline, parents, work))
                self.operators += 1
            pipeline.values = [operators[place] for place in iteration_order(given.operators)]
            for operator in pipeline.values:
                operator.estimate = self._estimate(operator)
            self.outstanding[given.id] = pipeline
            arrived.append(pipeline)
        self.arrived += arrived
        return arrived

    def _estimate(self, operator: Operator) -> Estimate:
        if self.params.estimator_algo == "":
            return Estimate()
        needs = [(s.memory_gb, s.storage_read_gb) for s in operator.work.segments]
        peak = max((read if fixed is None else fixed for fixed, read in needs), default=0.0)
        sigma = self.params.noisy_estimator_sigma
        return Estimate(peak * self.rng.lognormal(0, sigma) if sigma > 0 else peak)

    def run_tick(
        self, suspensions: list[Suspend], assignments: list[Assignment]
    ) -> list[ExecutionResult]:
        """Run the executor's tick and everything that is counted after it."""
        self._check(suspensions, assignments)
        results = []
        for pool in self.pools:
            results += pool.run_tick(
                [each for each in suspensions if each.pool_id == pool.pool_id],
                [each for each in assignments if each.pool_id == pool.pool_id],
            )
        self.counts["assignments"] += len(assignments)
        self.counts["suspensions"] += len(suspensions)
        for result in results:
            if result.error is not None:
                self.counts["failures"] += 1
                self.errors[result.error] = self.errors.get(result.error, 0) + 1
        second = self.tick % self.params.ticks_per_second == 0
        if results:
            self._complete()
        if self.params.max_job_ticks > 0 and (second or self.tick == self.params.num_ticks - 1):
            self._time_out()
        if second:
            self.samples.append(self._sample())
        return results

    def _check(self, suspensions: list[Suspend], assignments: list[Assignment]) -> None:
        for pool_id in [each.pool_id for each in suspensions] + [a.pool_id for a in assignments]:
            if pool_id not in range(len(self.pools)):
                raise InvalidDecisionError(f"there is no pool {pool_id}")

    def _complete(self) -> None:
        for name, pipeline in list(self.outstanding.items()):
            if pipeline.is_pipeline_successful():
                self.latencies.append((pipeline.priority, self.tick - pipeline.arrival_tick))
                del self.outstanding[name]

    def _time_out(self) -> None:
        for name, pipeline in list(self.outstanding.items()):
            if pipeline.has_timed_out():
                self.timed_out.append(pipeline.priority)
                del self.outstanding[name]

    def _sample(self) -> tuple[float, float]:
        whole = self.params.num_pools * self.params.ram_gb_per_pool
        allocated = compensated_sum(p.max_ram_pool - p.avail_ram_pool for p in self.pools)
        consumed = compensated_sum(p.consumed_ram_gb for p in self.pools)
        return 100.0 * allocated / whole, 100.0 * consumed / whole

    def stats(self) -> dict[str, Any]:
        """Return the statistics with the names of the simulator's ``stats``."""
        rate = self.params.ticks_per_second
        ended = [ticks for pool in self.pools for ticks in pool.ended_ticks]
        completed = sum(pool.num_completed for pool in self.pools)
        allocated, consumed = zip(*self.samples, strict=True)
        classes = {name: self._class(priority) for name, priority in CLASSES.items()}
        return {
            "pipelines_created": len(self.arrived),
            "containers_completed": completed,
            "throughput": completed / self.params.duration,
            "p99_latency": float(np.percentile(ended, 99)) / rate if ended else None,
            **self.counts,
            "failure_error_counts": self.errors,
            "pipelines_all": self._class(None),
            **{f"pipelines_{name}": value for name, value in classes.items()},
            "mean_memory_allocated_percent": float(np.mean(allocated)),
            "mean_memory_consumed_percent": float(np.mean(consumed)),
            "adjusted_latency": self._adjusted(classes),
        }

    def _class(self, priority: Priority | None) -> dict[str, Any]:
        ticks = [late for each, late in self.latencies if priority in (None, each)]
        rate = self.params.ticks_per_second
        return {
            "arrival_count": sum(1 for p in self.arrived if priority in (None, p.priority)),
            "completion_count": len(ticks),
            "timeout_count": sum(1 for each in self.timed_out if priority in (None, each)),
            "mean_latency_seconds": float(np.mean(ticks)) / rate if ticks else None,
            "p99_latency_seconds": float(np.percentile(ticks, 99)) / rate if ticks else None,
        }

    def _adjusted(self, classes: dict[str, dict[str, Any]]) -> float | None:
        weighted = counts = 0.0
        for name, priority in CLASSES.items():
            done = classes[name]["completion_count"]
            if done:
                weighted += WEIGHTS[priority] * done * classes[name]["mean_latency_seconds"]
                counts += WEIGHTS[priority] * done
        share = len(self.latencies) / len(self.arrived) if self.arrived else 0.0
        adjusted = weighted / counts / share if counts and share else math.inf
        return adjusted if math.isfinite(adjusted) else None
