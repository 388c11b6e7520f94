"""Measures what a question costs through the broker against what it costs across the plain wall.

Run it with ``python -m benchmarks broker``. The same simulator and the same policy have the same
run both ways. Plain: the simulator is trusted and runs in PID 1, without laws; the policy is
sealed. Broker: both are sealed, and every event is held to the contract and the laws. CPU time of
all processes is counted, and the two ways take turns.
"""

import gc
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import sized
from simulator.cell.channel import Budget, Channel
from simulator.cell.crew import Member, Notes, fork_workers, preload
from simulator.cell.frames import LENGTH, CellLimits
from simulator.cell.seal import ONE_UID, Seal
from simulator.cell.sealed_policy import SealedPolicy
from simulator.domain import Domain
from simulator.driver import LocalPolicy
from simulator.sealed import broker, writer_side
from simulator.sealed.laws import LAWS_FILE, Laws, read_laws
from simulator.sealed.log import Turn
from simulator.sealed.scenarios import Scenario, generate
from simulator.sealed.spec import CONTRACT_FILE, read_contract

QUEUE = Path(__file__).resolve().parents[1] / "examples" / "systems" / "queue"
JOBS = sized(2000, 20)
REPEATS = sized(7, 1)
LIMITS = CellLimits(memory_mb=1024, policy_cpu_seconds=600, call_cpu_seconds=60)


class Recorder:
    """A policy port that keeps what passes: observations and decisions, by turn."""

    def __init__(self, inner: LocalPolicy) -> None:
        self._inner = inner
        self.setup: Any = None
        self.passed: list[tuple[Any, Any]] = []

    def start(self, setup: Any) -> None:
        self.setup = setup
        self._inner.start(setup)

    def decide(self, observation: Any, answer: Any) -> Any:
        decided = self._inner.decide(observation, answer)
        self.passed.append((observation, decided))
        return decided


class Replayed:
    """A port that answers what was recorded."""

    def __init__(self, recorder: Recorder) -> None:
        self._answers = iter([answer for _, answer in recorder.passed])

    def start(self, setup: Any) -> None:
        """There is nobody to tell."""

    def decide(self, observation: Any, answer: Any) -> Any:
        return next(self._answers)


class Watched:
    """A simulator port that notes when everything is loaded and the first question comes."""

    def __init__(self, inner: SealedPolicy, clocks: Callable[[], tuple[float, ...]]) -> None:
        self._clocks = clocks
        self._inner = inner
        self.began: tuple[float, ...] = ()
        self.decide = inner.decide

    def start(self, setup: Any) -> None:
        self._inner.start(setup)
        self.began = self._clocks()


def main() -> None:
    """Print the table."""
    domain = Domain(QUEUE)
    spec = read_contract(QUEUE / CONTRACT_FILE)
    laws = read_laws(QUEUE / LAWS_FILE, spec)
    contracts = preload(domain)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # as in a cell, where all share one
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # the channel watches it for a caller that leaves
    seal = Seal(isolation=ONE_UID, memory_bytes=1 << 30, cpu_seconds=600, clocks=None)
    members = fork_workers(Notes(LENGTH.pack(4 * REPEATS)), seal, contracts)
    gc.disable()  # as PID 1 does
    scenario = generate(spec, "poisson", 1, {"jobs.rows": JOBS, "horizon": 3_600_000_000})
    policy = domain.policy_source("fifo")
    simulator = (QUEUE / "simulators" / "good.py").read_text(encoding="utf-8")
    recorder = Recorder(LocalPolicy(contracts[0], policy))
    said = Recorder(LocalPolicy(contracts[1], simulator))
    events = len(broker.run(spec, laws, scenario, said, recorder).log)
    plain, across = list[float](), list[tuple[float, float, float]]()
    alone = list[float]()
    for repeat in range(REPEATS):
        first, second, third, _ = members[4 * repeat : 4 * repeat + 4]
        plain.append(_plain(domain, recorder, simulator, policy, scenario, third))
        across.append(_through(domain, laws, scenario, simulator, policy, first, second))
        began = time.process_time()
        broker.run(spec, laws, scenario, Replayed(said), Replayed(recorder))
        alone.append(time.process_time() - began)
        gc.collect()
    questions = len(recorder.passed)
    print(f"one question of a policy, CPU microseconds ({questions} questions, {events} events)")
    whole = [sum(parts) for parts in across]
    for name, taken in (
        ("plain wall", plain),
        ("through the broker", whole),
        *zip(("  PID 1", "  policy", "  simulator"), zip(*across, strict=True), strict=True),
    ):
        each = [1e6 * seconds / questions for seconds in taken]
        print(f"  {name:20} median {statistics.median(each):6.1f}   least {min(each):6.1f}")
    each = [1e6 * seconds / questions for seconds in alone]
    print(f"  the broker without anybody to ask: median {statistics.median(each):.1f}")
    ratio = statistics.median(whole) / statistics.median(plain)
    print(f"  ratio {ratio:.2f}, of the least times {min(whole) / min(plain):.2f}")


def _sealed(
    domain: Domain, place: int, source: str, member: Member
) -> tuple[SealedPolicy, Channel]:
    channel = Channel(member, Budget(LIMITS))
    return SealedPolicy(domain.contracts[place].dialogue, source, channel, LIMITS), channel


def _plain(
    domain: Domain,
    recorder: Recorder,
    simulator: str,
    policy: str,
    scenario: Scenario,
    member: Member,
) -> float:
    """Return the CPU seconds of all questions to a sealed policy of a simulator in this process."""
    sealed, channel = _sealed(domain, 0, policy, member)
    sealed.start(recorder.setup)
    port = LocalPolicy(domain.contracts[1], simulator)
    port.start(
        writer_side.Setup(
            list(scenario.values.values()), list(scenario.parameters.values()), scenario.tables, 0
        )
    )
    began = time.process_time() + channel.cpu_seconds
    horizon = scenario.values["horizon"]
    decisions: list[tuple[int, tuple[int, ...]]] = []
    for observation, _ in recorder.passed:
        port.decide(Turn(observation.step, horizon, decisions), None)  # type: ignore[arg-type]
        decisions = sealed.decide(observation, None).decisions  # type: ignore[arg-type]
    taken = time.process_time() + channel.cpu_seconds - began
    channel.close()
    return taken


def _through(
    domain: Domain,
    laws: Laws,
    scenario: Scenario,
    simulator: str,
    policy: str,
    first: Member,
    second: Member,
) -> tuple[float, float, float]:
    """Return the CPU seconds of the same run through the broker, both sides sealed.

    They are those of PID 1, of the policy's worker and of the simulator's.
    """
    asked, channel = _sealed(domain, 0, policy, first)
    logging, other = _sealed(domain, 1, simulator, second)
    spec = read_contract(domain.root / CONTRACT_FILE)

    def clocks() -> tuple[float, ...]:
        return time.process_time(), channel.cpu_seconds, other.cpu_seconds

    watched = Watched(logging, clocks)
    broker.run(spec, laws, scenario, watched, asked)
    own, policys, simulators = (
        now - then for now, then in zip(clocks(), watched.began, strict=True)
    )
    channel.close()
    other.close()
    return own, policys, simulators


if __name__ == "__main__":
    main()
