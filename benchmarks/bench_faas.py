"""Speed of functions as a service: in a cell, with growing scenarios, and against SimFaaS.

Run it with ``python -m benchmarks faas``. The platform has 100 functions of four tenants with
packages; about 95 of 100 invocations are warm hits, which the engine serves without a call of the
policy. ``make simulators`` installs SimFaaS; without it the last table says so.
"""

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import REPEATS, least_cpu_seconds, missed, sized
from sandbox.limits import Limits
from sandbox.outcome import Outcome
from sandbox.trial import Payload, Sandbox
from simulator.domain import Run, find_domain
from simulator.domains.faas.cell import encode_scenario, open_scenario, simulate
from simulator.domains.faas.contract import local_policy
from simulator.domains.faas.scenario import Scenario
from tests.domains.faas.differential.cases import EXAMPLE_KEEP_ALIVE, example
from tests.domains.faas.differential.ours import keep_alive_world
from tests.domains.faas.differential.record import ask, version
from tests.domains.faas.support import keeping, play, serve

FAAS = find_domain("faas")
POLICY = "keep-alive-10min"
SIZES = sized((100_000, 300_000, 1_000_000), (1000, 2000))
MOST_SECONDS = 5.0
"""CPU seconds that are promised for the smallest size in a cell, simulator and policy together."""
MOST_GROWTH = 1.5
"""Promised: time per invocation at the largest size, as a multiple of that at the smallest."""
EXAMPLE_SECONDS = sized(100_000, 1000)
PER_SECOND = 0.52


def main() -> None:
    """Print the tables."""
    bad = [*print_cell(platform(SIZES[0])), *print_growth()]
    print_simfaas()
    if bad:
        missed("; ".join(bad))


def platform(invocations: int) -> Scenario:
    """Return the platform with about so many invocations."""
    kinds = (("slim", 128, 0.5), ("numpy", 256, 1.0), ("torch", 512, 2.0), ("slim", 1024, 1.0))
    functions = "\n".join(
        f'[[functions]]\nname = "f{number}"\ntenant = "t{number % 4}"\nimage = "{image}"\n'
        f"memory_mb = {memory_mb}\ninit_seconds = {init_seconds}"
        for number in range(100)
        for image, memory_mb, init_seconds in [kinds[number // 4 % 4]]
    )
    tenants = "\n".join(f'[[tenants]]\nname = "t{number}"' for number in range(4))
    text = f"""
duration_seconds = {invocations / PER_SECOND:.0f}
seed = 1
[packages]
python = 50
numpy = 100
torch = 700
[[images]]
name = "slim"
packages = ["python"]
[[images]]
name = "numpy"
packages = ["python", "numpy"]
[[images]]
name = "torch"
packages = ["python", "numpy", "torch"]
[[nodes]]
name = "node"
memory_mb = 16384
disk_mb = 4000
count = 4
[[traffic]]
per_second = {PER_SECOND}
service_seconds = 0.5
{tenants}
{functions}
"""
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"platform-{invocations}.toml"
        path.write_text(text, encoding="utf-8")
        scenario: Scenario = open_scenario(path)
    return scenario


def print_cell(scenario: Scenario) -> list[str]:
    """Compare a run in this process with one in a cell; return what is not as promised."""
    source = FAAS.policy_source(POLICY)
    here, run = least_cpu_seconds(partial(run_here, scenario))
    payload = Payload(name=scenario.name, data=encode_scenario(scenario))
    with Sandbox(Limits(), ready=False, domain=FAAS) as sandbox:
        trials = [sandbox.try_policy(source, [payload]) for _ in range(REPEATS)]
    tried = [one for trial in trials for one in trial.evaluations]
    assert {each.outcome for each in tried} == {Outcome.OK}
    assert {each.decision_sha256 for each in tried} == {run.decision_sha256}
    best = min(tried, key=lambda each: each.simulator_cpu_seconds + each.policy_cpu_seconds)
    inside = best.simulator_cpu_seconds + best.policy_cpu_seconds
    count, cold = len(scenario.world.times), run.metrics["cold_start_share"]
    print(f"{count} invocations, {1 - cold:.1%} warm hits, {run.policy_calls} calls of {POLICY}")
    print(f"{'CPU s':24} {'simulator':>10} {'policy':>8} {'both':>8} {'promised':>9}")
    print(f"{'  in this process':24} {'':10} {'':8} {here:8.2f}")
    print(
        f"{'  in a cell':24} {best.simulator_cpu_seconds:10.2f} {best.policy_cpu_seconds:8.2f} "
        f"{inside:8.2f} {MOST_SECONDS:9.1f}"
    )
    return [f"{inside:.1f} CPU s in a cell"] if inside > MOST_SECONDS else []


def run_here(scenario: Scenario) -> Run:
    """Simulate in this process."""
    return simulate(scenario, local_policy(FAAS.policy_source(POLICY)))


def print_growth() -> list[str]:
    """Print the time per invocation of growing scenarios; return what is not as promised."""
    print(f"\n{'invocations':>12} {'CPU s':>8} {'us each':>8} {'ratio':>6} (at most {MOST_GROWTH})")
    first = ratio = 0.0
    for size in SIZES:
        scenario = platform(size)
        seconds, _ = least_cpu_seconds(partial(run_here, scenario))
        each = seconds / len(scenario.world.times)
        first = first or each
        ratio = each / first
        print(f"{len(scenario.world.times):12} {seconds:8.2f} {each * 1e6:8.1f} {ratio:6.2f}")
    return [f"{ratio:.2f} times as long per invocation"] if ratio > MOST_GROWTH else []


def print_simfaas() -> None:
    """Compare with SimFaaS on the example of its documentation, each at its fastest run."""
    print(f"\nthe example of SimFaaS, {EXAMPLE_SECONDS} s")
    try:
        runs = [ask("simfaas", "--time", str(EXAMPLE_SECONDS)) for _ in range(REPEATS)]
    except FileNotFoundError as absent:
        print(f"  not compared: {absent}")
        return
    requests = example(1, EXAMPLE_SECONDS)
    world = keep_alive_world(requests)
    ours, _ = least_cpu_seconds(lambda: play(world, serve, keeping(EXAMPLE_KEEP_ALIVE)))
    their_rate = max(each["requests"] / each["cpu_seconds"] for each in runs)
    our_rate = len(requests.times) / ours
    print(f"  SimFaaS {version('simfaas')}: {their_rate:10.0f} requests per CPU s")
    print(f"  this engine:   {our_rate:10.0f} requests per CPU s, {our_rate / their_rate:.1f}x")


if __name__ == "__main__":
    main()
