"""Measures many trials in a row: candidates per minute, and what they leave in their caller.

Run it with ``python -m benchmarks trials``. The rate is that of two slots on the suite ``smoke``;
the memory is that of this process over a thousand trials, most of them in embedded cells.
"""

import gc
import resource
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.measure import missed, sized
from sandbox.limits import Limits
from sandbox.outcome import Outcome
from sandbox.trial import Payload, Sandbox
from simulator.domains.pipelines.library import load_suite, policy_source
from simulator.domains.pipelines.scenario_codec import encode_scenario

SLOTS = 2
CANDIDATES = sized(40, 2)
LEAST_PER_MINUTE = 60
TRIALS = sized({"docker": 300, "process": 700}, {"docker": 5, "process": 5})
LOOKS = 5
MOST_GROWTH_KB = 4096
"""From the first fifth of the trials of one kind to their end."""


def main() -> None:
    """Print the tables."""
    payloads = [
        Payload(name=one.name, data=encode_scenario(one))
        for one in load_suite("smoke").split("train")
    ]
    rate = print_rate(payloads)
    growth = max(print_growth(cell, payloads[:1], count) for cell, count in TRIALS.items())
    if growth > MOST_GROWTH_KB:
        missed(f"{growth} KB more after many trials, at most {MOST_GROWTH_KB}")
    if rate < LEAST_PER_MINUTE:
        missed(f"{rate:.0f} candidates per minute, at least {LEAST_PER_MINUTE}")


def print_rate(payloads: Sequence[Payload]) -> float:
    """Try many candidates with two slots; return how many there were in a minute."""
    sources = candidates("priority", CANDIDATES)
    with Sandbox(Limits(), slots=SLOTS) as sandbox, ThreadPoolExecutor(SLOTS) as slots:
        sandbox.prepare(len(payloads))
        sandbox.settle()
        started = time.perf_counter()
        trials = list(slots.map(lambda source: sandbox.try_policy(source, payloads), sources))
        rate = 60 * CANDIDATES / (time.perf_counter() - started)
    assert {trial.outcome for trial in trials} == {Outcome.OK}
    print(f"candidates per minute, {SLOTS} slots, {len(payloads)} scenarios of 'smoke' each")
    print(f"  {rate:.0f} (at least {LEAST_PER_MINUTE})")
    return rate


def print_growth(cell: str, payloads: Sequence[Payload], count: int) -> int:
    """Try ``count`` candidates one after another; return by how many KB this process grew."""
    print(f"\n{count} trials in a row, --cell {cell}: memory and open files of the caller")
    seen = []
    with Sandbox(Limits(), cell=cell) as sandbox:
        for number, source in enumerate(candidates("naive", count), start=1):
            assert sandbox.try_policy(source, payloads).outcome is Outcome.OK
            if number % (count // LOOKS) == 0:
                sandbox.settle()
                seen.append(memory_kb())
                print(f"  after {number:4}: {seen[-1]:7} KB, {open_files():3} files", flush=True)
    return seen[-1] - seen[0]


def candidates(name: str, count: int) -> Iterator[str]:
    """Yield sources that differ, as those of a search do."""
    for number in range(count):
        yield f"# candidate {number}\n{policy_source(name)}"


def memory_kb() -> int:
    """Return what this process holds in memory now."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() // 1024


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


if __name__ == "__main__":
    main()
