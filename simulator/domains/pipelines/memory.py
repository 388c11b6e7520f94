"""The account of consumed memory, carried forward only when someone wants to know.

The reference adds every change of every container, tick by tick and container by container, to one
float per pool. The sum must be reproduced to the last bit, rounding errors included, but it
is needed only at the sampling ticks, when a policy reads it, and where a pool may overflow. When a
container leaves, the account starts anew from the exact memory of the others.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from simulator.domains.pipelines.containers import Container, Pool
from simulator.domains.pipelines.messages import Number
from simulator.domains.pipelines.plans import SCAN_GB_PER_SECOND
from simulator.domains.pipelines.states import NEVER
from simulator.exact_sums import float_sum

if TYPE_CHECKING:  # a cell starts without them
    import numpy.typing as npt

BLOCK_CELLS = 1 << 17
"""Additions made in one array operation: bounds memory, and stays within the processor's cache."""

TABLE_TICKS = 1 << 20
"""Growth is looked up for scans of up to so many ticks, and computed afresh for longer ones."""

FEW_CELLS = 24
"""Up to so many additions a loop is faster than an array operation."""


class MemoryAccounts:
    """Carries the accounts of pools forward; knows the tick length and the sampling step."""

    def __init__(self, tick_seconds: float, sample_step: int) -> None:
        self.tick_seconds = tick_seconds
        self.sample_step = sample_step
        self._growth: npt.NDArray[np.float64] = np.zeros(0)

    def carry(self, pool: Pool, tick: int) -> None:
        """Bring the account of ``pool`` to the end of ``tick``, taking the samples on the way."""
        if pool.unsummed:
            self._sum(pool)
        if pool.next_sample == pool.base_tick:
            self._sample(pool, pool.base_tick, pool.consumed)
        while pool.base_tick < tick:
            growing, change = self._outlook(pool)
            if change == pool.base_tick + 1:
                self._step(pool, change)
                pool.base_tick = change
            else:
                last = min(tick, change - 1)
                if growing:
                    self._grow(pool, growing, last)
                pool.base_tick = last
            self._sample(pool, pool.base_tick, pool.consumed)

    def restart(self, pool: Pool, tick: int) -> None:
        """Start the account anew at ``tick``: a container left, the rest is to be summed."""
        pool.base_tick = tick
        pool.unsummed = True
        pool.stale_gb = 0.0

    def _sum(self, pool: Pool) -> None:
        tick, length = pool.base_tick, self.tick_seconds
        for container in pool.active:
            if not container.settled:
                container.gb = container.memory_at(tick, length)
        pool.consumed = float_sum([container.gb for container in pool.active])
        pool.unsummed = False

    def _sample(self, pool: Pool, tick: int, gb: Number) -> None:
        """Enter ``gb`` for all sampling ticks up to ``tick``."""
        if pool.next_sample <= tick:
            count = (tick - pool.next_sample) // self.sample_step + 1
            pool.samples.append((gb, count))
            pool.next_sample += count * self.sample_step

    def _outlook(self, pool: Pool) -> tuple[list[Container], int]:
        """Return the containers that grow next, and the next tick at which a phase begins."""
        tick = pool.base_tick
        growing: list[Container] = []
        change = NEVER
        for container in pool.active:
            if container.settled:
                continue
            phases = container.phases
            if len(phases) > 1 and phases[1][0] <= tick:
                container.forget_phases(tick)
            if not phases:
                continue
            start, gb, _ = phases[0]
            if start <= tick:
                if gb is None:
                    growing.append(container)
                elif len(phases) == 1:
                    # The account has passed the step to its last memory, so gb holds that.
                    container.settled = True
                if len(phases) > 1 and phases[1][0] < change:
                    change = phases[1][0]
            elif start < change:
                change = start
        return growing, change

    def _step(self, pool: Pool, tick: int) -> None:
        """Add one tick container by container, as some begin a new phase in it."""
        consumed, length = pool.consumed, self.tick_seconds
        for container in pool.active:
            if not container.settled:
                gb = container.memory_at(tick, length)
                consumed += gb - container.gb
                container.gb = gb
        pool.consumed = consumed

    def _grow(self, pool: Pool, growing: Sequence[Container], last: int) -> None:
        """Add the ticks up to ``last``, in which ``growing`` grow and nothing else happens."""
        first = pool.base_tick + 1
        if (last - first + 1) * len(growing) <= FEW_CELLS and pool.next_sample > last:
            for tick in range(first, last + 1):
                self._step_growing(pool, growing, tick)
            return
        rows = max(1, BLOCK_CELLS // len(growing))
        while first <= last:
            end = min(last, first + rows - 1)
            self._grow_block(pool, growing, first, end)
            first = end + 1
        for container in growing:
            start = container.phases[0][0]
            container.gb = ((last - start + 1) * self.tick_seconds) * SCAN_GB_PER_SECOND

    def _step_growing(self, pool: Pool, growing: Sequence[Container], tick: int) -> None:
        consumed, length = pool.consumed, self.tick_seconds
        for container in growing:
            start = container.phases[0][0]
            gb = ((tick - start + 1) * length) * SCAN_GB_PER_SECOND
            consumed += gb - container.gb
            container.gb = gb
        pool.consumed = consumed

    def _grow_block(self, pool: Pool, growing: Sequence[Container], first: int, last: int) -> None:
        width = len(growing)
        sums = np.empty((last - first + 1) * width + 1)
        sums[0] = pool.consumed
        cells = sums[1:].reshape(last - first + 1, width)
        starts = [container.phases[0][0] for container in growing]
        for column, start in enumerate(starts):
            cells[:, column] = self._growth_between(first - start, last - start)
        # Accumulation adds strictly one after the other, unlike numpy's sum.
        np.cumsum(sums, out=sums)
        while pool.next_sample <= last:
            self._sample(pool, pool.next_sample, float(cells[pool.next_sample - first, -1]))
        pool.consumed = float(sums[-1])

    def _growth_between(self, first: int, last: int) -> "npt.NDArray[np.float64]":
        """Return by how much a scan grows in each of its ticks ``first`` to ``last``."""
        if last >= TABLE_TICKS:
            return self._growth_table(first, last)
        if last >= len(self._growth):
            self._growth = self._growth_table(0, max(2 * last, 1024))
        return self._growth[first : last + 1]

    def _growth_table(self, first: int, last: int) -> "npt.NDArray[np.float64]":
        grown = (np.arange(first, last + 2) * self.tick_seconds) * SCAN_GB_PER_SECOND
        return np.diff(grown)
