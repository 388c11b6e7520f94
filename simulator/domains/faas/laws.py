"""The promises that functions as a service declare: laws of a run, and what no policy can know."""

from dataclasses import replace
from random import Random

from simulator.domain import Run
from simulator.domains.faas.scenario import Scenario, make_scenario

_FATES = ("done", "failed", "timed_out", "rejected")


def check_run(scenario: Scenario, run: Run) -> list[str]:
    """Return a sentence for each law that a run breaks: of capacity, of conservation."""
    stats, broken = run.stats, []
    count = len(scenario.world.times)
    fates = sum(stats[fate] for fate in _FATES)
    if not count == fates == stats["invocations"]:
        broken.append(f"{count} invocations arrived, and {fates} came to an end")
    for key in ("invocations", *_FATES):
        if stats[key] != sum(tenant[key] for tenant in stats["tenants"].values()):
            broken.append(f"{key} of all is not the sum over the tenants")
    nodes = scenario.world.setup.nodes
    for name in ("busy_mb", "idle_mb", "starting_mb"):
        most, there = max(run.metrics["timeline"][name], default=0), scenario.figures["memory_mb"]
        if most > there:
            broken.append(f"{name} reached {most}, but there are {there}")
    used = [0] * len(nodes)
    events = sorted(
        event
        for start, end, lane, memory_mb, *_ in run.metrics["instances"]["spans"]
        for event in ((start, 1, lane, memory_mb), (end, 0, lane, -memory_mb))
    )
    for _, _, node, change in events:
        used[node] += change
        if used[node] > nodes[node].memory_mb:
            broken.append(f"instances on node {node} held {used[node]} MB at once")
            break
    return broken


def disguise(scenario: Scenario, seed: int) -> tuple[Scenario, int]:
    """Change later invocations, and services that cannot be over by a time even if begun at once.

    A function's timeout ends what takes longer, and so is all that shows of it.
    """
    world, rng = scenario.world, Random(seed)
    functions = world.setup.functions
    until = rng.randrange(world.duration_us)
    rows = []
    for time, function, service in zip(world.times, world.functions, world.services, strict=True):
        if time > until:
            time = rng.randrange(until + 1, world.duration_us)
            function, service = rng.randrange(len(functions)), rng.randrange(1, 2 * service + 2)
        elif time + min(service, functions[function].timeout_us) > until:
            service = until - time + rng.randrange(1, service + 2)
        rows.append((time, function, service))
    rows.sort(key=lambda row: row[0])
    times, chosen, services = (list(column) for column in zip(*rows, strict=True))
    other = replace(world, times=times, functions=chosen, services=services)
    names = {"name": scenario.name, "family": scenario.family, "split": scenario.split}
    return make_scenario(other, **names), until
