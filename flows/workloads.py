"""Scenarios of any domain in tables, as a page and as plain values."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from simulator.domain import Domain, Scenario
from simulator.domain_host import Glance
from simulator.suites import Suite


def list_scenarios(suite: Suite[Any], domain: Domain) -> Glance:
    """Return a table of the scenarios of a suite: split, size, and what they run on."""
    rows = [_row(scenario, domain) for scenario in suite.scenarios]
    headers = list(dict.fromkeys(key for row in rows for key in row))
    least_telling = [key for key in ("family", "seconds") if key in headers]
    return Glance(
        title=suite.description,
        headers=headers,
        rows=[[row.get(key, "") for key in headers] for row in rows],
        expendable=list(dict.fromkeys([*least_telling, *headers[:3:-1]])),
    )


def scenario_mapping(scenario: Scenario, domain: Domain) -> dict[str, Any]:
    """Return what ``assay traces list`` says of a scenario as plain values."""
    return {
        "name": scenario.name,
        "split": scenario.split,
        "family": scenario.family,
        **scenario.size,
        "duration_seconds": scenario.duration_seconds,
        **_capacities(scenario, domain),
        "sha256": scenario.sha256,
    }


def glance_at(scenarios: Sequence[Scenario], domain: Domain) -> Glance:
    """Return a table of what scenarios ask, in the domain's words, else their sizes."""
    glance = domain.hosted("glance")
    if glance is not None:
        found: Glance = glance(scenarios)
        return found
    suite = Suite(name="", description="size of the scenarios", scenarios=tuple(scenarios))
    return list_scenarios(suite, domain)


def describe(scenario: Scenario, domain: Domain) -> str:
    """Return the page about one scenario, in the domain's words, else size and settings."""
    page = domain.hosted("describe_scenario")
    if page is not None:
        return "\n".join(page(scenario))
    sizes = ", ".join(f"{scenario.size[key]} {label}" for key, label in domain.spec.sizes.items())
    lines = [
        f"{scenario.name}: {sizes} in {scenario.duration_seconds:g} s",
        f"family {scenario.family}, split {scenario.split}, calls {scenario.calls}",
    ]
    for title, table in (("figures", scenario.figures), ("settings", scenario.settings)):
        lines += [f"{title}:", *(f"  {key} = {_plain(value)}" for key, value in table.items())]
    return "\n".join(lines)


def description_mapping(scenario: Scenario, domain: Domain) -> dict[str, Any]:
    """Return the page about one scenario as plain values."""
    figures = domain.hosted("workload_figures")
    if figures is not None:
        return {**scenario_mapping(scenario, domain), **figures(scenario)}
    own = {"figures": dict(scenario.figures), "settings": dict(scenario.settings)}
    return {**scenario_mapping(scenario, domain), **own}


def _row(scenario: Scenario, domain: Domain) -> dict[str, str]:
    capacities = _capacities(scenario, domain)
    return {
        "scenario": scenario.name,
        "split": scenario.split,
        "family": scenario.family,
        **{key: str(count) for key, count in scenario.size.items()},
        "seconds": f"{scenario.duration_seconds:g}",
        **{key: f"{value:g}" for key, value in capacities.items()},
    }


def _capacities(scenario: Scenario, domain: Domain) -> Mapping[str, float]:
    capacities = domain.hosted("capacities")
    return capacities(scenario) if capacities is not None else {}


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else json.dumps(value, default=str)
