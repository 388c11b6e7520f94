"""The messages between the simulator of pipelines and a policy.

The engine sends an :class:`Observation` (what became visible since the last one), the policy's side
answers with a :class:`Decision`. In-process policies exchange the same objects without encoding
them. Containers, operators and pipelines are numbered by the engine in order of appearance; the ids
that a policy reads are built from these numbers and from the names in the trace. Nothing here may
carry a true need or a future arrival.
"""

from typing import Any

import msgspec

from simulator.contract import Dialogue

Number = int | float


class Setup(msgspec.Struct, array_like=True, frozen=True):
    """All that a policy may know before the first tick. ``params`` is what ``s.params`` shows."""

    params: dict[str, Any]
    policy_calls: str
    ticks_per_second: Number
    num_pools: int
    cpus_per_pool: Number
    ram_gb_per_pool: Number
    max_job_ticks: int


class NewOperator(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An operator of an arriving pipeline; ``parents`` are positions within the pipeline.

    Like the pipelines around them they come by the thousand and can be part of no cycle, so the
    garbage collector is spared the sight of them.
    """

    id: str
    parents: list[int]
    estimate_gb: float | None


class NewPipeline(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A pipeline that arrived; its operators get the next free operator numbers, in order."""

    id: str
    priority: int
    arrival_tick: int
    operators: list[NewOperator]


class NewContainer(msgspec.Struct, array_like=True, frozen=True):
    """A container made from assignment ``assignment`` (position in the last decision)."""

    number: int
    assignment: int


class Observation(msgspec.Struct, array_like=True, frozen=True):
    """What became visible since the last observation, as of the end of tick ``tick - 1``.

    ``op_states``: (operator number, number of its state, see ``states``), without the step
    to ASSIGNED, which the policy's side makes itself; ``moves``: (container number, ``suspending``
    or ``suspended``); ``suspendable``: (container number, can be suspended now);
    ``results``: (container number, None | "OOM" | "timeout") in order of emission;
    ``pools``: (pool, free cpus, free GB of RAM). The policy's side may run quiet ticks by itself
    up to and including ``quiet_until``; ``tick == quiet_until`` asks for exactly one call.
    """

    tick: int
    quiet_until: int
    arrivals: list[NewPipeline] = []
    containers: list[NewContainer] = []
    op_states: list[tuple[int, int]] = []
    moves: list[tuple[int, str]] = []
    suspendable: list[tuple[int, bool]] = []
    results: list[tuple[int, str | None]] = []
    pools: list[tuple[int, Number, Number]] = []

    @property
    def step(self) -> int:
        return self.tick


class MemoryReading(msgspec.Struct, array_like=True, frozen=True):
    """Memory in use as of the end of tick ``tick - 1``, with what is needed to carry it forward.

    Asked for by the policy's side only when a policy reads memory, at most once per observation.
    ``consumed``: GB per pool (the accumulated float); ``containers``: (container number, GB) of
    active containers in list order; ``growing``: (container number, next local tick) of those whose
    memory grows on each quiet tick of the observation.
    """

    tick: int
    consumed: list[float]
    containers: list[tuple[int, float]]
    growing: list[tuple[int, int]]


class NewAssignment(msgspec.Struct, array_like=True, frozen=True):
    """A request to start a container: operator numbers in order, size, pool and label."""

    operators: list[int]
    cpu: Number
    ram: Number
    pool: int
    priority: int


class Decision(msgspec.Struct, array_like=True, frozen=True):
    """What a policy decided at ``tick``; ``calls`` counts its calls since the last observation.

    ``suspensions``: (container id as the policy gave it, pool). ``wake_tick``: the earliest tick at
    which the policy asked to be called again, None if it did not ask.
    """

    tick: int
    calls: int
    suspensions: list[tuple[str, int]] = []
    assignments: list[NewAssignment] = []
    wake_tick: int | None = None

    @property
    def step(self) -> int:
        return self.tick

    @property
    def size(self) -> int:
        return len(self.assignments) + len(self.suspensions)


DIALOGUE = Dialogue(setup=Setup, observation=Observation, decision=Decision, reply=MemoryReading)
