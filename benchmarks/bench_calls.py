"""Measures what one call of a policy costs across the seal, by how much has changed before it.

Run it with ``python -m benchmarks calls``. The policy does nothing, so what is measured is
the way of the news: encoding, the socket, decoding, the policy's mirror, and the answer back. CPU
time of both processes is counted, since on a busy machine the clock tells mostly of the others.
"""

import os
import statistics
import time
from collections.abc import Callable

from benchmarks.measure import sized
from simulator.cell.channel import Budget, Channel
from simulator.cell.crew import Notes, fork_workers, preload
from simulator.cell.frames import LENGTH, CellLimits
from simulator.cell.seal import ONE_UID, Seal
from simulator.cell.sealed_policy import SealedPolicy
from simulator.domains.pipelines.cell import IDLE_POLICY
from simulator.domains.pipelines.library import PIPELINES
from simulator.domains.pipelines.messages import (
    Decision,
    MemoryReading,
    NewOperator,
    NewPipeline,
    Observation,
    Setup,
)
from simulator.driver import PolicyDriver
from simulator.messages import encode

SIZES_KB = (1, 10, 50)
CALLS = sized(300, 3)
WARM_UP = sized(20, 1)
MEMORY_MB = 2048
LIMITS = CellLimits(memory_mb=MEMORY_MB, policy_cpu_seconds=600, call_cpu_seconds=60)
SETUP = Setup(
    params={"duration": 600, "ticks_per_second": 10},
    policy_calls="on_change",
    ticks_per_second=10,
    num_pools=1,
    cpus_per_pool=64,
    ram_gb_per_pool=512,
    max_job_ticks=6000,
)

Decide = Callable[[Observation, Callable[[int], MemoryReading]], Decision]


def main() -> None:
    """Print the table."""
    contracts = preload(PIPELINES)
    (contract,) = contracts
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # as in a cell, where both share one
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # the channel watches it for a caller that leaves
    seal = Seal(isolation=ONE_UID, memory_bytes=MEMORY_MB << 20, cpu_seconds=600, clocks=None)
    members = fork_workers(Notes(LENGTH.pack(len(SIZES_KB))), seal, contracts)
    print(f"one call of a policy that does nothing, CPU microseconds ({CALLS} calls each)")
    print("  change   in process                  in a sealed process             more")
    for size_kb, member in zip(SIZES_KB, members, strict=True):
        here = PolicyDriver(contract, IDLE_POLICY)
        here.load()
        here.start(SETUP)
        channel = Channel(member, Budget(LIMITS))
        sealed = SealedPolicy(contract.dialogue, IDLE_POLICY, channel, LIMITS)
        sealed.start(SETUP)
        direct, across = times_of(here, sealed, channel, size_kb << 10)
        channel.close()
        more = statistics.median(across) - statistics.median(direct)
        print(f"  {size_kb:3} KB   {described(direct)}   {described(across)}   {more:8.0f}")


def times_of(
    here: PolicyDriver, sealed: SealedPolicy, channel: Channel, size: int
) -> tuple[list[float], list[float]]:
    """Return the microseconds of each call, both ways in turn, so that both are disturbed alike."""
    direct, across = [], []
    for tick in range(CALLS + WARM_UP):
        news = observation_of(size, tick)
        direct.append(microseconds(here.decide, news, time.process_time))
        across.append(
            microseconds(sealed.decide, news, lambda: time.process_time() + channel.cpu_seconds)
        )
    return direct[WARM_UP:], across[WARM_UP:]


def microseconds(decide: Decide, news: Observation, clock: Callable[[], float]) -> float:
    started = clock()
    decide(news, no_memory)
    return (clock() - started) * 1e6


def observation_of(size: int, tick: int) -> Observation:
    """Return as many arrivals, in operators of a diamond each, as fill ``size`` bytes encoded."""
    arrivals: list[NewPipeline] = []
    one = len(encode(pipeline(f"p{tick}-0000", tick)))
    for number in range(max(1, round(size / one))):
        arrivals.append(pipeline(f"p{tick}-{number:04}", tick))
    return Observation(tick=tick, quiet_until=tick, arrivals=arrivals)


def pipeline(name: str, tick: int) -> NewPipeline:
    shape: tuple[list[int], ...] = ([], [0], [0], [1, 2])
    operators = [
        NewOperator(id=f"op{position}", parents=parents, estimate_gb=1.5 + position)
        for position, parents in enumerate(shape)
    ]
    return NewPipeline(id=name, priority=1, arrival_tick=tick, operators=operators)


def no_memory(_tick: int) -> MemoryReading:
    raise RuntimeError("the idle policy does not read memory")


def described(taken: list[float]) -> str:
    ordered = sorted(taken)
    tenth = ordered[len(ordered) // 10]
    return f"p10 {tenth:6.0f}  median {statistics.median(taken):6.0f}"


if __name__ == "__main__":
    main()
