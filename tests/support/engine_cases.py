"""Small workloads and policies for tests of the engine, and a policy that keeps what it is told."""

from simulator.domain import Run
from simulator.domains.pipelines.contract import local_policy
from simulator.domains.pipelines.engine import ReadMemory, simulate
from simulator.domains.pipelines.messages import Decision, Observation, Setup
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.workload import Operator, Pipeline, Priority, Segment, Workload

HEAD = """
@register_scheduler_init(key="test")
def init(s):
    s.pipelines = []

@register_scheduler(key="test")
def step(s, results, pipelines):
    s.pipelines += pipelines
    tick = s.clock.now_ticks()
    pools = s.executor.pools
    def ops(number):
        return list(s.pipelines[number].values)
    def put(ops, cpu=1, ram=10, pool=0):
        return Assignment(ops, cpu, ram, Priority.QUERY, pool, "p")
"""


def work(
    cpu: float = 0.0,
    read: float = 0.0,
    memory: float | None = None,
    scaling: str = "const",
) -> tuple[Segment, ...]:
    """Return the one segment of an operator."""
    segment = Segment(
        baseline_cpu_seconds=cpu, cpu_scaling=scaling, memory_gb=memory, storage_read_gb=read
    )
    return (segment,)


def pipeline(
    name: str,
    *works: tuple[Segment, ...],
    at: int = 0,
    chain: bool = True,
    priority: Priority = Priority.QUERY,
) -> Pipeline:
    """Return a pipeline whose operators follow one another, or are all roots."""
    operators = tuple(
        Operator(
            id=f"op{place}",
            parents=(place - 2,) if chain and place > 1 else (),
            segments=segments,
        )
        for place, segments in enumerate(works, start=1)
    )
    return Pipeline(id=name, priority=priority, arrival_tick=at, operators=operators)


class Watched:
    """A policy that keeps every observation it was given and every decision it made."""

    def __init__(self, source: str) -> None:
        self.observations: list[Observation] = []
        self.decisions: list[Decision] = []
        self._policy = local_policy(source)

    def start(self, setup: Setup) -> None:
        self._policy.start(setup)

    def decide(self, observation: Observation, read_memory: ReadMemory) -> Decision:
        self.observations.append(observation)
        decision: Decision = self._policy.decide(observation, read_memory)
        self.decisions.append(decision)
        return decision

    def results(self) -> list[tuple[int, int, str | None]]:
        """Return (tick of the call, container, error) of every result."""
        return [(o.tick, *result) for o in self.observations for result in o.results]


def run(body: str, *pipelines: Pipeline, **params: object) -> tuple[Run, Watched]:
    """Run a policy whose step function ends in ``body``, at ten ticks per second on one pool."""
    settings = {
        "duration": 10,
        "ticks_per_second": 10,
        "num_pools": 1,
        "cpus_per_pool": 8,
        "ram_gb_per_pool": 100,
        **params,
    }
    policy = Watched(policy_of(body))
    workload = Workload(pipelines=pipelines)
    return simulate(workload, Params.from_mapping(settings), policy), policy


def policy_of(body: str) -> str:
    """Return the source of a policy whose step function ends in ``body``."""
    lines = [f"    {line}" for line in body.strip("\n").splitlines()]
    return HEAD + "\n".join(lines) + "\n"
