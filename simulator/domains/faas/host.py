"""What functions as a service offer to the host, as ``simulator.domain_host.HostHalf`` says it."""

from simulator.domains.faas import offline as space
from simulator.domains.faas import traces
from simulator.domains.faas.describe import describe_scenario, workload_figures
from simulator.domains.faas.diagnoses import diagnose
from simulator.domains.faas.fresh import redraw
from simulator.domains.faas.outline import outline

__all__ = [
    "describe_scenario",
    "diagnose",
    "outline",
    "redraw",
    "space",
    "traces",
    "workload_figures",
]
