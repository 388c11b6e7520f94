"""The killer of containers that together use more memory than their pool has.

Whether a pool overflows is decided by its account, whose rounding errors count. A straight line
per pool bounds the account from above, so that it is looked at only where it may matter, and
taken to the last bit only where it is closer to the limit than its errors could be.
"""

from simulator.domains.pipelines.containers import SLACK, Container, Pool
from simulator.domains.pipelines.memory import MemoryAccounts
from simulator.domains.pipelines.states import NEVER


def enter_bound(container: Container, tick: int) -> None:
    """Let a container's present operator count in the bound of its pool."""
    pool = container.pool
    base, rate, step = _outlook(container, tick)
    pool.bound_base += base - container.bound_base
    pool.bound_rate += rate - container.bound_rate
    container.bound_base, container.bound_rate = base, rate
    pool.bound_until = min(pool.bound_until, step)


def leave_bound(container: Container) -> None:
    """Let a container count no longer."""
    pool = container.pool
    pool.bound_base -= container.bound_base
    pool.bound_rate -= container.bound_rate


def next_check(pool: Pool, tick: int) -> int:
    """Return a tick after ``tick`` before which the pool cannot overflow by itself."""
    if not may_overflow(pool):
        return NEVER
    check = pool.bound_until
    if pool.bound_rate > 0:
        spare = pool.safe_gb - pool.stale_gb - pool.bound_base
        check = int(min(check, spare / pool.bound_rate))
    return max(check, tick + 1)


def find_overflow(pool: Pool, tick: int, accounts: MemoryAccounts) -> list[Container]:
    """Return the containers to kill at ``tick``, after all containers of the pool have run it.

    The largest ``memory * (memory / allocation)`` goes first, of equals the oldest.
    """
    if not may_overflow(pool):
        return []
    bound = pool.stale_gb + pool.bound_base + pool.bound_rate * tick
    if bound <= pool.safe_gb and tick < pool.bound_until:
        return []
    memory = _renew_bound(pool, tick, accounts.tick_seconds)
    used = pool.stale_gb + sum(gb for gb, _ in memory)
    if used <= pool.safe_gb:
        return []
    ranked = [(gb * (gb / container.ram), gb, container) for gb, container in memory if gb > 0]
    ranked.sort(key=lambda each: each[0], reverse=True)
    victims = _victims(pool, used, ranked, SLACK * pool.ram_gb)
    if victims is None:
        victims = _victims(pool, _account_exactly(pool, tick, accounts), ranked, 0.0)
    return victims or []


def _victims(
    pool: Pool, used: float, ranked: list[tuple[float, float, Container]], doubt: float
) -> list[Container] | None:
    """Return whom to kill, None where a difference of ``doubt`` could decide otherwise."""
    victims: list[Container] = []
    for _, gb, container in ranked:
        if abs(used - pool.ram_gb) < doubt:
            return None
        if used <= pool.ram_gb:
            break
        used += 0.0 - gb
        victims.append(container)
    return victims


def may_overflow(pool: Pool) -> bool:
    """Whether the present operators of a pool could ever use all of its memory."""
    return pool.stale_gb + pool.cap_gb > pool.safe_gb


def _outlook(container: Container, tick: int) -> tuple[float, float, int]:
    """Return a line over a container's memory from ``tick`` on, and the tick to which it holds.

    It ends where an operator steps to another segment; growth is taken to go on until then.
    """
    base = rate = 0.0
    step = NEVER
    for start, gb, smooth in container.phases:
        if start > tick:
            if not smooth:
                step = start
                break
        elif gb is None:
            rate = container.pool.gb_per_tick
            base = -(start - 1) * rate
        else:
            base, rate = gb, 0.0
    return base, rate, step


def _renew_bound(pool: Pool, tick: int, tick_seconds: float) -> list[tuple[float, Container]]:
    """Draw the bound anew from where the containers are; return the memory of each at ``tick``."""
    total_base = total_rate = 0.0
    until = NEVER
    memory: list[tuple[float, Container]] = []
    for container in pool.active:
        base, rate, step = _outlook(container, tick)
        container.bound_base, container.bound_rate = base, rate
        total_base += base
        total_rate += rate
        until = min(until, step)
        if not container.gone:
            memory.append((container.memory_at(tick, tick_seconds), container))
    pool.bound_base, pool.bound_rate, pool.bound_until = total_base, total_rate, until
    return memory


def _account_exactly(pool: Pool, tick: int, accounts: MemoryAccounts) -> float:
    """Bring the account through ``tick`` itself, with what left the pool's containers in it."""
    accounts.carry(pool, tick - 1)
    consumed = pool.consumed
    for container in pool.active:
        gb = container.memory_at(tick, accounts.tick_seconds)
        consumed += gb - container.gb
        container.gb = gb
        if container.gone and container.error is None:
            consumed += 0.0 - gb
            container.gb = 0.0
    for container in pool.active:
        if container.error is not None:
            consumed += 0.0 - container.gb
            container.gb = 0.0
    pool.consumed = consumed
    pool.base_tick = tick
    return consumed
