"""The simulation: time jumps from event to event, and the policy is called as its contract says.

Order within a tick: pipelines arrive; the policy is called, seeing the cluster as it was at the end
of the tick before; the cluster runs the tick with the policy's decision; pipelines that became
successful are noticed, if the tick gave a result; statistics are sampled.
"""

from collections.abc import Callable
from hashlib import sha256

from simulator.contract import Policy
from simulator.domain import Run
from simulator.domains.pipelines.cluster import Cluster
from simulator.domains.pipelines.estimator import estimates
from simulator.domains.pipelines.jobs import Jobs
from simulator.domains.pipelines.messages import (
    Decision,
    MemoryReading,
    NewPipeline,
    Number,
    Observation,
    Setup,
)
from simulator.domains.pipelines.metrics import compute_metrics
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.recorder import Recorder
from simulator.domains.pipelines.states import NEVER
from simulator.domains.pipelines.stats import compute_stats
from simulator.domains.pipelines.workload import Workload
from simulator.errors import Failure, PolicyFailure

ReadMemory = Callable[[int], MemoryReading]

FORGOTTEN: list[float | None] = []
"""Stands for the estimates of pipelines that have arrived."""


def simulate(workload: Workload, params: Params, policy: Policy) -> Run:
    """Run ``policy`` on ``workload`` and return its figures; raise PolicyFailure if it fails."""
    simulation = _Simulation(workload, params, policy)
    simulation.run()
    return simulation.report()


def make_setup(params: Params) -> Setup:
    """Return what a policy may know before the first tick.

    The random seed is withheld (it reads 0): with it a policy could draw the future arrivals.
    """
    visible = {**params.to_mapping(), "random_seed": 0}
    del visible["scheduler_algo"]
    return Setup(
        params=visible,
        policy_calls=params.policy_calls,
        ticks_per_second=params.ticks_per_second,
        num_pools=params.num_pools,
        cpus_per_pool=params.cpus_per_pool,
        ram_gb_per_pool=params.ram_gb_per_pool,
        max_job_ticks=params.max_job_ticks,
    )


class _Simulation:
    def __init__(self, workload: Workload, params: Params, policy: Policy) -> None:
        self.workload = workload
        self.params = params
        self.policy = policy
        self.num_ticks = params.num_ticks
        self.jobs = Jobs(workload.pipelines, params.max_job_ticks)
        self.recorder = Recorder(params.num_ticks, params.ticks_per_second)
        self.cluster = Cluster(params, self.jobs, self.recorder)
        self.policy_calls = 0
        self.counts = {"assignments": 0, "suspensions": 0}
        self.digest = sha256()
        self.wake_tick = NEVER
        self.arrival_tick = self._next_arrival()
        self.next_deadline = 0
        """The first pipeline whose deadline has not come yet."""
        self._estimates = estimates(workload, params)
        self._open_reading = (0, -1)

    def run(self) -> None:
        self.policy.start(make_setup(self.params))
        every_tick = self.params.policy_calls == "every_tick"
        tick, call = 0, True
        while tick < self.num_ticks:
            arrivals = self._arrive(tick) if self.arrival_tick <= tick else []
            call = self._deadline(tick) or call or every_tick or self.wake_tick <= tick
            decision = None
            if call or arrivals:
                decision = self._ask(tick, every_tick, arrivals)
                tick = decision.tick
                if not (decision.suspensions or decision.assignments):
                    decision = None
            if decision is not None:
                self._note(decision)
            if decision is not None or self.cluster.agenda.next_tick() == tick:
                self.recorder.catch_up(tick, self.cluster.pools, self.jobs)
                if self.cluster.tick(tick, decision):
                    self.jobs.notice_finished(tick)
            call = decision is not None or self.cluster.changed()
            tick = tick + 1 if every_tick or call else self._next_tick(tick)
        for pool in self.cluster.pools:
            self.cluster.accounts.carry(pool, self.num_ticks - 1)
        self.recorder.catch_up(self.num_ticks, self.cluster.pools, self.jobs)

    def report(self) -> Run:
        stats = compute_stats(
            self.params, self.jobs, self.cluster.pools, self.recorder, self.counts
        )
        metrics = compute_metrics(self.params, self.jobs, self.cluster.pools, self.recorder)
        return Run(
            stats=stats,
            metrics=metrics,
            policy_calls=self.policy_calls,
            decision_sha256=self.digest.hexdigest(),
        )

    def _arrive(self, tick: int) -> list[NewPipeline]:
        arrivals: list[NewPipeline] = []
        self.recorder.catch_up(tick, self.cluster.pools, self.jobs)
        while self.arrival_tick <= tick:
            number = self.jobs.arrived
            arrivals.append(self.jobs.arrive(tick, self._estimates[number]))
            self._estimates[number] = FORGOTTEN
            self.arrival_tick = self._next_arrival()
        return arrivals

    def _next_arrival(self) -> int:
        number = self.jobs.arrived
        pipelines = self.workload.pipelines
        return pipelines[number].arrival_tick if number < len(pipelines) else NEVER

    def _deadline(self, tick: int) -> bool:
        """Whether the deadline of an unsuccessful pipeline came since this was last asked."""
        if self.jobs.max_job_ticks == 0:
            return False
        come = False
        while self._next_deadline() <= tick:
            come = come or not self.jobs.successful(self.next_deadline)
            self.next_deadline += 1
        return come

    def _next_deadline(self) -> int:
        if self.jobs.max_job_ticks == 0 or self.next_deadline >= self.jobs.arrived:
            return NEVER
        return self.jobs.deadline(self.next_deadline)

    def _next_tick(self, tick: int) -> int:
        event = self.cluster.agenda.next_tick()
        return max(tick + 1, min(event, self.arrival_tick, self._next_deadline(), self.wake_tick))

    def _ask(self, tick: int, every_tick: bool, arrivals: list[NewPipeline]) -> Decision:
        """Call the policy and check the frame of its decision."""
        quiet_until = tick
        if every_tick:
            event = self.cluster.agenda.next_tick()
            quiet_until = max(tick, min(event, self.arrival_tick - 1, self.num_ticks - 1))
        observation = self._observe(tick, quiet_until, arrivals)
        self._open_reading = (tick, quiet_until)
        decision: Decision = self.policy.decide(observation, self._read_memory)
        self._open_reading = (0, -1)
        acted = decision.suspensions or decision.assignments
        if not tick <= decision.tick <= quiet_until or (not acted and decision.tick != quiet_until):
            _break_protocol(tick, f"decision for tick {decision.tick} of {tick}..{quiet_until}")
        self.policy_calls += decision.tick - tick + 1
        wake_tick = decision.wake_tick
        self.wake_tick = NEVER if wake_tick is None else max(wake_tick, decision.tick + 1)
        return decision

    def _observe(self, tick: int, quiet_until: int, arrivals: list[NewPipeline]) -> Observation:
        """Return what became visible, and begin collecting anew."""
        cluster, jobs = self.cluster, self.jobs
        pools: list[tuple[int, Number, Number]] = []
        for index in sorted(cluster.touched_pools):
            pool = cluster.pools[index]
            pools.append((index, pool.free_cpu, pool.free_ram))
        observation = Observation(  # in order: fields by name take twice as long
            tick,
            quiet_until,
            arrivals,
            cluster.new_containers,
            jobs.changes,
            cluster.moves,
            cluster.courses.suspendable,
            cluster.results,
            pools,
        )
        jobs.changes = []
        cluster.new_containers, cluster.moves = [], []
        cluster.courses.suspendable, cluster.results = [], []
        cluster.touched_pools.clear()
        return observation

    def _read_memory(self, tick: int) -> MemoryReading:
        first, last = self._open_reading
        if not first <= tick <= last:
            _break_protocol(tick, f"memory reading for tick {tick}, expected {first} to {last}")
        self._open_reading = (0, -1)
        return self.cluster.read_memory(tick)

    def _note(self, decision: Decision) -> None:
        """Count a decision that is not empty and add it to the hash."""
        self.counts["assignments"] += len(decision.assignments)
        self.counts["suspensions"] += len(decision.suspensions)
        assignments = [
            (each.operators, each.cpu, each.ram, each.pool, each.priority)
            for each in decision.assignments
        ]
        self.digest.update(repr((decision.tick, decision.suspensions, assignments)).encode())


def _break_protocol(tick: int, message: str) -> None:
    raise PolicyFailure(Failure(kind="protocol_error", message=message, step=tick))
