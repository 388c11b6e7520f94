"""Measures what isolation costs: start-up of a cell, time per call of a policy, and a whole trial.

Run it with ``python -m benchmarks.bench_cell [--rounds N]``. Every figure is measured in one run
beside the thing it is compared with; on a busy machine compare rows, not absolute numbers.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from benchmarks.measure import missed, sized
from sandbox.image import image_tag
from sandbox.limits import Limits
from sandbox.trial import Payload, Sandbox
from simulator.domains.pipelines.contract import local_policy
from simulator.domains.pipelines.engine import simulate
from simulator.domains.pipelines.library import load_suite, policy_source
from simulator.domains.pipelines.scenario import Scenario
from simulator.domains.pipelines.scenario_codec import encode_scenario

POLICIES = sized(("naive", "priority"), ("naive",))
SUITE_ROUNDS = sized(3, 1)
MOST_OVERHEAD = 1.5
"""How many times longer than in-process the paper's suite may take in a cell, start-up apart."""
CALLED_OFTEN = """
@register_scheduler_init(key="often")
def init(s):
    pass

@register_scheduler(key="often")
def step(s, results, pipelines):
    s.wake_in(1 / s.params["ticks_per_second"])
    return [], []
"""


def main(arguments: Sequence[str] = ()) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=sized(12, 1), help="trials for each row")
    rounds = parser.parse_args(arguments).rounds
    scenarios = load_suite("smoke").split("train")
    print_start_up(rounds, scenarios[:1])
    print_calls(rounds, scenarios[0])
    print_overhead(load_suite("paper").split("train")[: sized(None, 1)])


def print_start_up(rounds: int, scenarios: Sequence[Scenario]) -> None:
    """Compare a cell from nothing, a ready cell, and a plain ``docker run`` of the same Python."""
    payloads = [payload_of(scenario) for scenario in scenarios]
    source = policy_source("naive")
    plain = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "python3", image_tag()]
    rows = {"docker run, hello from Python": timed(rounds, lambda: run([*plain, "-c", "print(1)"]))}
    with Sandbox(Limits(), ready=False) as cold:
        cold.try_policy(source, payloads)
        rows["trial in a cold cell"] = timed(rounds, lambda: try_and_settle(cold, source, payloads))
    with Sandbox(Limits(), ready=False, cell="process") as embedded:
        embedded.try_policy(source, payloads)
        rows["trial in a cold embedded cell"] = timed(
            rounds, lambda: try_and_settle(embedded, source, payloads)
        )
    with Sandbox(Limits(), ready=True) as ready:
        ready.prepare(len(payloads))
        ready.settle()
        rows["trial in a ready cell"] = timed(
            rounds, lambda: ready.try_policy(source, payloads), ready.settle
        )
    print(f"start-up, one scenario, milliseconds ({rounds} rounds)")
    for name, seconds in rows.items():
        print(f"  {name:32} {describe(seconds)}")


def print_calls(rounds: int, scenario: Scenario) -> None:
    """Compare what a call of a policy that does nothing costs here and in a cell."""
    here, inside = [], []
    with Sandbox(Limits(), ready=True) as sandbox:
        for _ in range(rounds):
            started = time.perf_counter()
            run_ = simulate(scenario.workload, scenario.params, local_policy(CALLED_OFTEN))
            here.append((time.perf_counter() - started) / run_.policy_calls)
            (one,) = sandbox.try_policy(CALLED_OFTEN, [payload_of(scenario)]).evaluations
            inside.append(one.seconds / one.policy_calls)
    print(f"\na call on every tick of {scenario.name}, microseconds per call ({rounds} rounds)")
    for name, taken in (("in process", here), ("in a cell", inside)):
        middle, least = statistics.median(taken) * 1e6, min(taken) * 1e6
        print(f"  {name:32} median {middle:8.1f}   min {least:8.1f}")


def print_overhead(scenarios: Sequence[Scenario]) -> None:
    """Compare all evaluations on a suite in the trusted process with the same ones in one cell."""
    print(f"\n{len(scenarios)} scenarios of the suite 'paper', seconds (least of {SUITE_ROUNDS})")
    print(f"  policy     in process   in a cell   ratio (at most {MOST_OVERHEAD})   start-up")
    worst = 0.0
    with Sandbox(Limits(), ready=False) as sandbox:
        for name in POLICIES:
            here, inside, start_up = compare(sandbox, policy_source(name), scenarios)
            worst = max(worst, inside / here)
            print(f"  {name:9} {here:11.2f} {inside:11.2f} {inside / here:22.2f} {start_up:10.2f}")
    if worst > MOST_OVERHEAD:
        missed(f"a suite in a cell takes {worst:.2f} times as long, at most {MOST_OVERHEAD} times")


def compare(
    sandbox: Sandbox, source: str, scenarios: Sequence[Scenario]
) -> tuple[float, float, float]:
    """Return the least seconds here, in a cell, and of the cell beyond its evaluations."""
    payloads = [payload_of(scenario) for scenario in scenarios]
    here, inside, start_up = [], [], []
    for _ in range(SUITE_ROUNDS):
        started = time.perf_counter()
        for scenario in scenarios:
            simulate(scenario.workload, scenario.params, local_policy(source))
        here.append(time.perf_counter() - started)
        started = time.perf_counter()
        trial = sandbox.try_policy(source, payloads)
        inside.append(sum(one.seconds for one in trial.evaluations))
        start_up.append(time.perf_counter() - started - inside[-1])
    return min(here), min(inside), min(start_up)


def try_and_settle(sandbox: Sandbox, source: str, payloads: Sequence[Payload]) -> None:
    sandbox.try_policy(source, payloads)
    sandbox.settle()


def timed(
    rounds: int, act: Callable[[], object], between: Callable[[], object] | None = None
) -> list[float]:
    """Return the seconds that each of ``rounds`` calls of ``act`` took."""
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        act()
        taken.append(time.perf_counter() - started)
        if between is not None:
            between()
    return taken


def describe(seconds: Sequence[float]) -> str:
    """Return median, 95th percentile and minimum in milliseconds."""
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
    middle = statistics.median(ordered)
    return f"median {middle * 1e3:8.1f}   p95 {p95 * 1e3:8.1f}   min {ordered[0] * 1e3:8.1f}"


def run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)


def payload_of(scenario: Scenario) -> Payload:
    return Payload(name=scenario.name, data=encode_scenario(scenario))


if __name__ == "__main__":
    main(sys.argv[1:])
