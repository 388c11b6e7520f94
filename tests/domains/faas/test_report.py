"""The report on functions as a service: what its panels, tables and words say of real runs."""

from dataclasses import replace
from functools import cache

from flows.report.compare import contenders, duel, figure_lines
from flows.report.data import ReportData
from flows.report.page import build_view
from flows.report.panels import class_panel, span_panel, time_panel
from simulator.domain import find_domain
from simulator.domain_spec import plain_spec
from simulator.domains.faas.contract import local_policy
from simulator.domains.faas.messages import Node, Tenant
from simulator.domains.faas.scenario import Scenario, make_scenario
from tests.domains.faas.support import function, world
from tests.support.report_rows import search_rows

FAAS = find_domain("faas")
POLICIES = ("keep-alive-10min", "no-keep-alive", "lru")
"""Two baselines and what takes the place of a candidate."""


def scenario(name: str, tenants: int) -> Scenario:
    """Every tenant has one function that is invoked every 20 s; there is room for three."""
    functions = [function(f"{k}/f", tenant=k, memory_mb=1024) for k in range(tenants)]
    made = world(
        [(20.0 * turn + k, k, 1) for turn in range(4) for k in range(tenants)],
        functions=functions,
        tenants=[Tenant(f"tenant-{k}", 1, 0, 0) for k in range(tenants)],
        nodes=[Node("a", 2048, 0, 100), Node("b", 1024, 0, 100)],
    )
    return make_scenario(made, name=name, family="made-up", split="train")


@cache
def rows() -> ReportData:
    """A search with one attempt on two scenarios, of which the second has a tenant more."""
    scenarios = {"scenario-0": scenario("scenario-0", 2), "scenario-1": scenario("scenario-1", 3)}
    data = search_rows(1, 2)
    metrics = {
        (row.iteration, row.slot, name): FAAS.cell.simulate(
            each, local_policy(FAAS.policy_source(policy))
        ).metrics
        for row, policy in zip(data.candidates, POLICIES, strict=True)
        for name, each in scenarios.items()
    }
    return replace(
        data,
        domain=FAAS,
        experiment=replace(
            data.experiment,
            objective="delay_and_memory",
            domain=FAAS.name,
            domain_spec=plain_spec(FAAS.spec),
        ),
        scenarios=tuple(
            replace(row, size=dict(of.size), figures=dict(of.figures), duration_seconds=100.0)
            for row in data.scenarios
            for of in [scenarios[row.scenario]]
        ),
        evaluations=tuple(
            replace(row, metrics=metrics[row.iteration, row.slot, row.scenario])
            for row in data.evaluations
        ),
    )


def test_bars_show_the_delay_of_each_tenant_of_a_scenario() -> None:
    """Tenants of different scenarios are different: they are never put together."""
    data = rows()

    panel = class_panel(data, contenders(data))

    assert panel.names == ("scenario-0", "scenario-1")
    titles = [[chart["title"] for chart in choice] for choice in panel.content["choices"]]
    assert titles == [["tenant-0", "tenant-1"], ["tenant-0", "tenant-1", "tenant-2"]]
    assert panel.content["name"] == "tenant"
    bar = panel.content["charts"][0]["layer"][0]["encoding"]["x"]
    assert (panel.content["columns"][int(bar["field"][1:])], bar["title"]) == ("mean", "mean, s")
    words = build_view(data).contest.words
    assert words.class_note.startswith("Bars show mean and marks p99.")


def test_memory_busy_idle_starting_and_free_add_up_to_what_the_nodes_have() -> None:
    data = rows()

    panel = time_panel(data, duel(data, contenders(data)))

    charts = panel.content["choices"][0]
    assert [chart["title"] for chart in charts[:4]] == [
        "memory busy, MB, of 3,072",
        "memory idle, MB, of 3,072",
        "memory of instances that start, MB, of 3,072",
        "memory free, MB, of 3,072",
    ]
    metrics = data.evaluations[0].metrics
    assert metrics is not None
    timeline = metrics["timeline"]
    parts = [timeline[each] for each in ("busy_mb", "idle_mb", "starting_mb", "free_mb")]
    assert {sum(sample) for sample in zip(*parts, strict=True)} == {3072}


def test_instances_are_bars_on_their_nodes_in_the_colour_of_their_tenants() -> None:
    data = rows()

    panel = span_panel(data, duel(data, contenders(data)))

    chart = panel.content["choices"][1][0]
    assert chart["known"] == chart["until"] == 100.0
    assert chart["lanes"] == ["node 0", "node 1"]
    assert panel.content["classes"] == ["tenant-0", "tenant-1", "tenant-2"]
    tips = panel.content["charts"][0]["layer"][2]["encoding"]["tooltip"]
    assert [tip["title"] for tip in tips] == [
        "start, s", "end, s", "node", "memory, MB", "function", "tenant", "outcome",
    ]  # fmt: skip


def test_three_prices_of_memory_and_the_guards_are_among_the_figures() -> None:
    data = rows()

    lines = {line.label: line for line in figure_lines(data, contenders(data))}

    prices = [
        "cost if memory cost a quarter, s",
        "cost at the price of the scenario, s",
        "cost if memory cost four times as much, s",
    ]
    assert [label for label in lines if label.startswith("cost")] == prices
    quarter, usual, four_times = ([float(cell) for cell in lines[label].cells] for label in prices)
    assert all(a < b < c for a, b, c in zip(quarter, usual, four_times, strict=True))
    guards = [label for label, line in lines.items() if line.note.endswith("· guard")]
    assert guards == ["delay, 99th percentile, s", "slowdown of the worst tenant"]
    assert build_view(data).contest.guarded


def test_cells_that_read_the_same_as_the_best_are_best_too() -> None:
    data = rows()

    lines = {line.label: line for line in figure_lines(data, contenders(data))}

    cold = lines["cold starts, share of invocations"]
    best = min(cold.cells, key=float)
    assert cold.leaders == tuple(k for k, cell in enumerate(cold.cells) if cell == best)
    assert lines["rejected or out of patience, share"].leaders == ()
