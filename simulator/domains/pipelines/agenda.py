"""When something happens next: the one queue of events of a cluster."""

from collections.abc import Iterator
from heapq import heappop, heappush

from simulator.domains.pipelines.containers import Container, Pool
from simulator.domains.pipelines.states import NEVER

AFTER_ALL = 1 << 62
"""Order of entries that only make a pool go through its tick, after all containers."""


class Agenda:
    """Events by tick, pool and order: ends of suspensions first, then containers by number.

    An entry whose container has other plans by then, or is gone, is passed over.
    """

    def __init__(self, num_ticks: int) -> None:
        self._num_ticks = num_ticks
        self._heap: list[tuple[int, int, int, Container | None]] = []
        self._suspensions = 0

    def add(self, container: Container, tick: int) -> None:
        """Enter the next event of an active container."""
        container.event = tick
        if tick < self._num_ticks:
            heappush(self._heap, (tick, container.pool.index, container.number, container))

    def add_end_of_suspension(self, container: Container, tick: int) -> None:
        """Enter the end of a suspension; those that began first end first within a tick."""
        container.event = tick
        self._suspensions += 1
        if tick < self._num_ticks:
            order = self._suspensions - AFTER_ALL
            heappush(self._heap, (tick, container.pool.index, order, container))

    def add_wake(self, pool: Pool, tick: int) -> None:
        """Make a pool go through ``tick`` though nothing is known to happen in it."""
        if tick < self._num_ticks:
            heappush(self._heap, (tick, pool.index, AFTER_ALL, None))

    def next_tick(self) -> int:
        """Return the tick of the next event, NEVER if there is none."""
        heap = self._heap
        while heap:
            tick, _, _, container = heap[0]
            if container is None or (container.event == tick and not container.gone):
                return tick
            heappop(heap)
        return NEVER

    def due_pool(self, tick: int) -> int:
        """Return the first pool that has events at ``tick``, NEVER if none has."""
        heap = self._heap
        return heap[0][1] if heap and heap[0][0] == tick else NEVER

    def take(self, tick: int, pool: Pool) -> Iterator[Container]:
        """Remove the events of a pool at ``tick`` one by one and yield their containers."""
        heap, index = self._heap, pool.index
        while heap and heap[0][0] == tick and heap[0][1] == index:
            container = heappop(heap)[3]
            if container is not None and container.event == tick and not container.gone:
                yield container
