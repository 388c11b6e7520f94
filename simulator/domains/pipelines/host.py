"""What pipelines offer to the host, as ``simulator.domain_host.HostHalf`` describes it."""

from pathlib import Path

from simulator.domains.pipelines import offline as space
from simulator.domains.pipelines import traces
from simulator.domains.pipelines.cell import scenario_from_files
from simulator.domains.pipelines.contract_page import contract_page
from simulator.domains.pipelines.diagnoses import diagnose
from simulator.domains.pipelines.fresh import redraw
from simulator.domains.pipelines.outline import outline
from simulator.domains.pipelines.paper import published
from simulator.domains.pipelines.params import Params, load_params
from simulator.domains.pipelines.scenario import Scenario
from simulator.domains.pipelines.traces.tables import (
    capacities,
    describe_scenario,
    glance,
    workload_figures,
)

__all__ = [
    "capacities",
    "contract_page",
    "describe_scenario",
    "diagnose",
    "glance",
    "open_files",
    "outline",
    "published",
    "redraw",
    "space",
    "traces",
    "workload_figures",
]


def open_files(trace: Path | None, params: Path | None) -> tuple[Scenario, str]:
    """Return the scenario of a trace and a parameter file; either may be left out.

    Without parameters the text says which ones it has instead.
    """
    if params is not None:
        return scenario_from_files(trace, load_params(params)), ""
    chosen = Params()
    pools = f"{chosen.num_pools} pool{'' if chosen.num_pools == 1 else 's'}"
    cluster = f"{chosen.cpus_per_pool:g} cpus and {chosen.ram_gb_per_pool:g} GB"
    return scenario_from_files(trace, chosen), f"{pools} of {cluster}, {chosen.duration:g} s"
