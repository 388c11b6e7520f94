"""The simulated containers and resource pools: plain state, moved by the cluster."""

from typing import Final

from simulator.domains.pipelines.messages import NewAssignment, Number
from simulator.domains.pipelines.plans import SCAN_GB_PER_SECOND, Plan
from simulator.domains.pipelines.states import NEVER

SLACK = 1e-6
"""Share of a pool's memory by which the account is taken to be off at most, through rounding."""

PlacedPhase = tuple[int, Number | None, bool]
"""Tick at which it begins, GB or None for growing, and whether the step to it is smooth."""


class Container:
    """One container: its size, its operators in order, and where in its course it is.

    ``next_start`` is the tick at which the next operator begins, ``end`` and ``oom`` are the ticks
    that end the present one; NEVER where they do not apply. ``gb`` is the memory last entered in
    the pool's account; ``phases`` begins with the phase in force at that time.
    """

    __slots__ = (
        "bound_base", "bound_rate", "cap_gb", "cpu", "created", "deadline", "end", "error",
        "event", "gb", "gone",
        "next_start", "number", "oom", "ops", "phases", "pool", "position", "ram", "settled",
        "suspendable",
        "suspended",
    )  # fmt: skip

    def __init__(self, number: int, pool: "Pool", request: NewAssignment, tick: int) -> None:
        self.number: Final = number
        self.pool: Final = pool
        self.ops: Final = request.operators
        self.cpu: Final = request.cpu
        self.ram: Final = request.ram
        self.created: Final = tick
        self.position = 0
        self.next_start = tick
        self.end = NEVER
        self.oom = NEVER
        self.deadline = NEVER
        self.event = tick
        self.suspendable = False
        self.suspended = False
        """Whether it is suspending or suspended."""
        self.gone = False
        self.error: str | None = None
        self.gb: Number = 0.0
        self.cap_gb: Number = 0.0
        self.bound_base = 0.0
        self.bound_rate = 0.0
        self.phases: list[PlacedPhase] = []
        self.settled = False
        """Whether ``gb`` stays as it is until the next operator begins."""

    def begin(self, plan: Plan, tick: int) -> None:
        """Lay out the course of the next operator, which begins at ``tick``."""
        self.settled = False
        self.next_start = NEVER
        self.end = tick + plan.ticks - 1
        self.oom = tick + plan.oom
        self.cap_gb = plan.cap_gb
        if len(self.phases) > 1:
            self.forget_phases(self.pool.base_tick)
        for start, gb, smooth in plan.phases:
            self.phases.append((tick + start, gb, smooth))

    def forget_phases(self, tick: int) -> None:
        """Drop the phases that were over by ``tick``."""
        phases = self.phases
        while len(phases) > 1 and phases[1][0] <= tick:
            del phases[0]

    def memory_at(self, tick: int, tick_seconds: float) -> Number:
        """Return the memory at the end of ``tick``, which the account has not passed."""
        begun = None
        for phase in self.phases:
            if phase[0] > tick:
                break
            begun = phase
        if begun is None:
            return 0.0
        start, gb, _ = begun
        return ((tick - start + 1) * tick_seconds) * SCAN_GB_PER_SECOND if gb is None else gb


class Pool:
    """One resource pool with its containers, in order of creation, and its memory account.

    The account holds at the end of ``base_tick``: ``consumed`` is the accumulated float, unless
    ``unsummed`` says that it is the sum of the active containers' memory, yet to be taken.
    ``samples`` holds the account at the sampling ticks before ``next_sample``.
    """

    __slots__ = (
        "active",
        "base_tick",
        "bound_base",
        "bound_rate",
        "bound_until",
        "cap_gb",
        "consumed",
        "cpus",
        "free_cpu",
        "free_ram",
        "gb_per_tick",
        "index",
        "next_sample",
        "ram_gb",
        "safe_gb",
        "samples",
        "stale_gb",
        "suspended",
        "suspending",
        "unsummed",
        "wake_tick",
    )  # fmt: skip

    def __init__(self, index: int, cpus: Number, ram_gb: Number, tick_seconds: float) -> None:
        self.index: Final = index
        self.cpus: Final = cpus
        self.ram_gb: Final = ram_gb
        self.safe_gb: Final = ram_gb * (1 - SLACK)
        """Up to here an account is below the pool's memory, whatever its rounding errors."""
        self.free_cpu = cpus
        self.free_ram = ram_gb
        self.active: list[Container] = []
        self.suspending: list[Container] = []
        self.suspended: list[Container] = []
        self.gb_per_tick: Final = SCAN_GB_PER_SECOND * tick_seconds
        self.base_tick = -1
        self.consumed: Number = 0.0
        self.unsummed = False
        self.stale_gb: Number = 0.0
        """Memory of suspended containers that is still in the account."""
        self.cap_gb: Number = 0.0
        """The most that the active containers can hold during their present operators."""
        self.bound_base = 0.0
        self.bound_rate = 0.0
        self.bound_until = NEVER
        """Up to this tick active containers hold at most bound_base + bound_rate * tick."""
        self.wake_tick = NEVER
        """The next tick at which the pool is to be looked at for this."""
        self.next_sample = 0
        self.samples: list[tuple[Number, int]] = []
        """Values with the number of consecutive sampling ticks that had them."""
