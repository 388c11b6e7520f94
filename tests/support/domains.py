"""Every domain that the tests know, with scenarios to try promises on: shipped ones and the toy."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from simulator.domain import SHIPPED, Domain, open_domain
from simulator.domains.faas.messages import Function, Image, Node, Package, Setup, Tenant
from simulator.domains.faas.scenario import make_scenario
from simulator.domains.faas.world import US, World, check_world
from simulator.domains.pipelines.scenario import Scenario
from simulator.domains.pipelines.scenario_codec import scenario_sha256
from simulator.domains.pipelines.workload import SCALINGS, Workload
from simulator.suites import load_suite
from tests.support.random_scenarios import random_scenario

TOY_FOLDER = Path(__file__).resolve().parents[1] / "domains" / "toy" / "queue"


def toy() -> Domain:
    """Return the domain of the tests, as a third party would have written it."""
    return open_domain(TOY_FOLDER)


def copy_of_the_toy(folder: Path, *changes: tuple[str, str, str]) -> Path:
    """Copy the toy into ``folder`` and return it; a change is (file, old text, new text)."""
    shutil.copytree(TOY_FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name, old, new in changes:
        text = (folder / name).read_text(encoding="utf-8")
        assert old in text
        (folder / name).write_text(text.replace(old, new), encoding="utf-8")
    return folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A domain with scenarios small enough for thousands of runs, and policies that do much."""

    domain: Domain
    scenarios: Callable[[], Sequence[Any]]
    busy: str
    """The library policy that decides most, to disturb its decisions."""


def cases() -> list[Case]:
    """Return every domain with scenarios; a shipped domain without any here is a mistake."""
    known = [
        Case(domain=Domain(SHIPPED / "pipelines"), scenarios=_pipelines, busy="overbook"),
        Case(domain=Domain(SHIPPED / "faas"), scenarios=_faas, busy="break-even"),
        Case(domain=toy(), scenarios=_toy, busy="shortest"),
    ]
    shipped = {path.parent for path in SHIPPED.glob("*/domain.toml")}
    assert shipped <= {case.domain.root for case in known}
    return known


def _toy() -> Sequence[Any]:
    return load_suite("small", toy()).scenarios


def _pipelines() -> Sequence[Any]:
    found = []
    for seed in range(8):
        workload, params = random_scenario(seed, policy_calls="on_change", duration=15)
        workload = _with_named_scalings(workload)
        found.append(
            Scenario(
                name=f"random-{seed}",
                family="random",
                split="train",
                params=params,
                workload=workload,
                sha256=scenario_sha256(params, workload),
            )
        )
    return found


def _with_named_scalings(workload: Workload) -> Workload:
    """Functions cannot be sent to another process."""
    pipelines = []
    for pipeline in workload.pipelines:
        operators = []
        for operator in pipeline.operators:
            segments = tuple(
                replace(segment, cpu_scaling="sqrt")
                if segment.cpu_scaling not in SCALINGS
                else segment
                for segment in operator.segments
            )
            operators.append(replace(operator, segments=segments))
        pipelines.append(replace(pipeline, operators=tuple(operators)))
    return Workload(pipelines=tuple(pipelines))


def _faas() -> Sequence[Any]:
    return [
        make_scenario(_world(Random(seed)), name=f"random-{seed}", family="random", split="train")
        for seed in range(8)
    ]


def _world(rng: Random) -> World:
    """Return half a minute of two tenants on two nodes, too small for all of it."""
    packages = (Package("base", 100), Package("libs", 300))
    images = (Image("small", (0,)), Image("large", (0, 1)))
    functions = tuple(
        Function(f"f{n}", n % 2, n % 2, 256 * (1 + n), US // 2, 1 + n % 2, 4 * US, 8 * US)
        for n in range(4)
    )
    tenants = (Tenant("a", 1, 0, 0), Tenant("b", 3, 4, 2048))
    nodes = (Node("n0", 1024, 500, 400), Node("n1", 1536, 0, 400))
    count = rng.randrange(10, 60)
    world = World(
        setup=Setup("on_decision", 60 * 1024 * US, packages, images, nodes, tenants, functions),
        duration_us=30 * US,
        times=sorted(rng.randrange(30 * US) for _ in range(count)),
        functions=[rng.randrange(4) for _ in range(count)],
        services=[rng.choice((US // 10, US, 6 * US)) for _ in range(count)],
    )
    check_world(world, "random")
    return world
