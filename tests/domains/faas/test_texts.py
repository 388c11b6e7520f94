"""What functions as a service say to whoever writes a policy: texts, and diagnoses of figures."""

import re
from typing import Any

from simulator.domain import find_domain
from simulator.domains.faas.contract import Mirror, contract_names, local_policy
from simulator.domains.faas.diagnoses import diagnose
from simulator.domains.faas.engine import Simulation
from simulator.domains.faas.messages import Node, Tenant
from simulator.domains.faas.outline import outline
from simulator.domains.faas.plan import Plan
from simulator.domains.faas.policy_api import Platform
from simulator.domains.faas.scenario import make_scenario
from simulator.domains.faas.world import World
from tests.domains.faas.support import figures, function, world

FAAS = find_domain("faas")
CONTRACT = FAAS.text("contract.md")
NAMED = set(re.findall(r"`([a-z_]+)", CONTRACT)) | set(re.findall(r"[a-z_]+(?=\()", CONTRACT))


def metrics(name: str, scenario: World) -> dict[str, Any]:
    simulation = Simulation(scenario, local_policy(FAAS.policy_source(name)))
    simulation.run()
    return figures(simulation)[1]


def test_everything_public_that_a_policy_can_reach_is_on_the_contract_page() -> None:
    state = Mirror(world([(1, 0, 1)]).setup).state
    objects: list[Any] = [
        state, Plan(state), state.tenants[0], state.functions[0], state.nodes[0],
        *(kind for kind in contract_names().values() if kind is not Platform),
    ]  # fmt: skip
    public = {name for each in objects for name in dir(each) if not name.startswith("_")}

    assert not public - NAMED
    assert not [name for name in contract_names() if f"`{name}`" not in CONTRACT]


def test_every_attribute_on_the_contract_page_exists() -> None:
    state = Mirror(world([(1, 0, 1)]).setup).state
    kinds = contract_names()
    found: dict[str, object] = {
        "`p`": state, "`tenant`": state.tenants[0], "`function`": state.functions[0],
        "`image`": kinds["Image"], "`node`": state.nodes[0], "`instance`": kinds["Instance"],
        "`invocation`": kinds["Invocation"], "`Plan(p)`": Plan(state),
    }  # fmt: skip
    made = {"Image": {"number", "name", "packages", "size_mb"}}

    for part in CONTRACT.split("\n## ")[2:]:
        title, body = part.split("\n", 1)
        thing = next((each for name, each in found.items() if title.startswith(name)), None)
        if thing is None:
            continue
        heads = "\n".join(re.findall(r"^- (.*?)(?::|\(names|$)", body, re.M))
        names = set(re.findall(r"`([a-z_]+)[`(]", heads))
        known = set(dir(thing)) | made.get(getattr(thing, "__name__", ""), set())
        assert names
        assert names <= known, title


def test_the_skeleton_and_the_starter_serve_everything_and_the_starter_costs_less() -> None:
    scenario = world(
        [(10 * number, number % 3, 1) for number in range(60)],
        functions=[function(name, memory_mb=512) for name in "abc"],
        duration=700,
    )
    runs = []
    for name in ("skeleton.txt", "starter.txt"):
        simulation = Simulation(scenario, local_policy(FAAS.text(name)))
        simulation.run()
        runs.append(figures(simulation))

    assert [stats["done"] for stats, _ in runs] == [60, 60]
    assert runs[1][1]["cost_seconds"] < runs[0][1]["cost_seconds"]


def test_the_outline_says_how_large_platforms_are_and_what_is_particular() -> None:
    plain = world([(1, 0, 1), (2, 0, 1)], duration=3600)
    particular = world(
        [(1, 0, 1)],
        functions=[function(concurrency=8, memory_mb=512)],
        nodes=[Node("a", 2048, 900, 100), Node("b", 2048, 900, 100)],
        tenants=[Tenant("a", 3, 0, 1024), Tenant("b", 1, 0, 0)],
        duration=3600,
    )
    scenarios = [
        make_scenario(plain, name="p", family="plain", split="train"),
        make_scenario(particular, name="q", family="particular", split="train"),
    ]

    assert outline(scenarios) == [
        "- plain: 1 h; 1 node of 4 GB; 1 function of 1 tenant; they take 1024 MB (median 1024) "
        "and 1 s to initialise; 0.03333 invocations per minute; 60 GB s idle cost 1 s of delay",
        "- particular: 1 h; 2 nodes of 2 GB; 1 function of 2 tenants; they take 512 MB (median "
        "512) and 1 s to initialise; 0.01667 invocations per minute; 60 GB s idle cost 1 s of "
        "delay; disks of 900 MB for packages; tenants with quotas; tenants of weight 1 to 3; "
        "instances that run 8 invocations at a time",
    ]


def test_cold_starts_and_idle_memory_are_told_beside_the_reference() -> None:
    often = world([(20 * number, 0, 1) for number in range(5)])

    lines = diagnose([metrics("no-keep-alive", often)], [metrics("keep-alive-10min", often)])

    # Five starts of one second each, or one; 1 GB that idles for four times 18 or 19 s, then to the
    # end at 160 s, where the last invocation ended at 81 s. A start costs 1 GB s, 60 of them 1 s.
    assert lines == [
        "an invocation costs 1.02 s: 1 s of delay and 0.0167 s for memory, mean over scenarios "
        "(keep-alive-10min: 0.717 s: 0.2 s of delay and 0.517 s for memory)",
        "delay costs most: longer keep-alives, or starts ahead of need, may help",
        "100.0% of the invocations waited for a cold start (keep-alive-10min: 20.0%); the 99th "
        "percentile of the delay is up to 1 s",
        "instances idled for 0 GB s (keep-alive-10min: 154) and started for 5 GB s; 100% of the "
        "ready memory was at work",
    ]


def test_evictions_lost_invocations_and_the_tenant_that_bears_them_are_named() -> None:
    crowded = world(
        [(number, 0, 30) for number in range(40)] + [(50, 1, 1)],
        functions=[function("a", patience_us=5_000_000), function("b", tenant=1)],
        nodes=[Node("n", 2048, 0, 100)],
        tenants=[Tenant("loud", 1, 0, 0), Tenant("quiet", 1, 0, 0)],
        duration=51,
    )

    lines = diagnose([metrics("lru", crowded)], [])

    assert any(
        re.match(r"\d+ of 41 invocations never began; each is charged", each) for each in lines
    )
    assert any(each.startswith("something waited for an instance in ") for each in lines)
    assert any(re.match(r"(loud|quiet) bears \d+% of the delay in one", each) for each in lines)


def test_nothing_is_said_without_figures() -> None:
    assert diagnose([], [{}]) == []
