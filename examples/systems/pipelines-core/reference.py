"""The engine of the domain pipelines, as a simulator of this system: one pool, ticks of 1 s.

What the engine does within tick t shows at its end, so what ends in tick t is logged at t + 1. The
engine's own clock is stepped here, so that a policy can be asked between.
"""

from simulator.domains.pipelines.engine import FORGOTTEN, _Simulation
from simulator.domains.pipelines.messages import Decision, NewAssignment
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.plans import SCAN_GB_PER_SECOND
from simulator.domains.pipelines.states import COMPLETED, FAILED
from simulator.domains.pipelines.workload import Operator, Pipeline, Priority, Segment, Workload

LAWS = ("const", "linear3", "linear7", "squared", "exp")


@register_simulator(key="reference")
def simulate(scenario, parameters, rng, log):
    """Log what the engine does with a scenario; yield where the policy has its turn."""
    params = Params(
        duration=scenario.values.horizon + 1,
        ticks_per_second=1,
        num_pools=1,
        cpus_per_pool=scenario.values.pool_cpus,
        ram_gb_per_pool=scenario.values.pool_memory,
        multi_operator_containers=False,
        policy_calls="on_change",
    )
    chains = [[] for _ in scenario.pipelines]
    for number, operator in enumerate(scenario.operators):
        chains[operator.pipeline].append(number)
    numbers = [number for chain in chains for number in chain]  # by the engine's numbers
    place = {number: index for index, number in enumerate(numbers)}
    engine = _Engine(_workload(scenario, chains), params, None)
    for tick, arrived in engine.instants():
        if tick >= scenario.values.horizon:
            return
        told = len(arrived)
        for index, state in engine.news():
            operator = numbers[index]
            pipeline = scenario.operators[operator].pipeline
            if state == FAILED:
                log("killed", tick, operator=operator)
            elif state == COMPLETED:
                log("completed", tick, operator=operator)
                following = chains[pipeline].index(operator) + 1
                if following < len(chains[pipeline]):
                    log("ready", tick, operator=chains[pipeline][following])
                else:
                    log("finished", tick, pipeline=pipeline)
            told += state in (FAILED, COMPLETED)
        for pipeline in arrived:
            log("arrived", tick, pipeline=pipeline)
            log("ready", tick, operator=chains[pipeline][0])
        if told:
            decisions = yield
            for decision in decisions:
                log(
                    "started", tick,
                    operator=decision.operator, cpus=decision.cpus, memory=decision.memory,
                )  # fmt: skip
            engine.decided = [
                NewAssignment([place[each.operator]], each.cpus, each.memory, 0, 1)
                for each in decisions
            ]


class _Engine(_Simulation):
    decided = ()

    def news(self):
        """Return what became of operators since this was last asked."""
        changes, self.jobs.changes = self.jobs.changes, []
        return changes

    def instants(self):
        """Yield each tick at whose beginning something shows, with the pipelines that arrive."""
        tick, call = 0, False
        while tick < self.num_ticks:
            arrived = []
            while self.arrival_tick <= tick:
                number = self.jobs.arrived
                self.jobs.arrive(tick, self._estimates[number])
                self._estimates[number] = FORGOTTEN
                self.arrival_tick = self._next_arrival()
                arrived.append(number)
            self.decided = ()
            if call or arrived:
                yield tick, arrived
            decision = Decision(tick, 1, [], list(self.decided)) if self.decided else None
            due = decision is not None or self.cluster.agenda.next_tick() == tick
            if due and self.cluster.tick(tick, decision):
                self.jobs.notice_finished(tick)
            call = decision is not None or self.cluster.changed()
            self.cluster.results, self.cluster.new_containers = [], []
            self.cluster.touched_pools.clear()
            self.cluster.courses.suspendable = []
            tick = tick + 1 if call else self._next_tick(tick)


def _workload(scenario, chains):
    pipelines = []
    for number, row in enumerate(scenario.pipelines):
        operators = []
        for place, each in enumerate(chains[number]):
            needs = scenario.operators[each]
            segment = Segment(
                baseline_cpu_seconds=float(needs.work),
                cpu_scaling=LAWS[needs.law],
                memory_gb=float(needs.memory),
                storage_read_gb=float(needs.scan * SCAN_GB_PER_SECOND),
            )
            parents = (place - 1,) if place else ()
            operators.append(Operator(id=f"op{each}", parents=parents, segments=(segment,)))
        pipelines.append(
            Pipeline(
                id=f"p{number}",
                priority=Priority(row.priority),
                arrival_tick=row.arrival,
                operators=tuple(operators),
            )
        )
    return Workload(pipelines=tuple(pipelines))
