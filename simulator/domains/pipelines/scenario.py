"""A scenario: a workload together with the cluster and the simulation parameters it runs on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.workload import Workload

HALF = 0.5
"""What a policy that completed nothing counts as by objectives of which more is better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One thing to try a policy on; ``family`` names its kind."""

    name: str
    family: str
    split: str
    params: Params
    workload: Workload
    sha256: str
    """Hash of the parameters and of the workload: equal hashes mean the same scenario."""

    @property
    def calls(self) -> str:
        return self.params.policy_calls

    @property
    def duration_seconds(self) -> float:
        return float(self.params.duration)

    @property
    def size(self) -> Mapping[str, int]:
        pipelines = self.workload.pipelines
        operators = sum(len(each.operators) for each in pipelines)
        return {"pipelines": len(pipelines), "operators": operators}

    @property
    def figures(self) -> Mapping[str, float]:
        """Return the capacities and what the objectives charge, see ``domain.toml``."""
        params, seconds = self.params, self.duration_seconds
        arriving = sum(p.arrival_tick < params.num_ticks for p in self.workload.pipelines)
        return {
            "duration_seconds": seconds,
            "half_a_pipeline_per_hour": HALF * 3600.0 / seconds,
            "half_a_container_per_second": HALF / seconds,
            "all_pipelines_late_seconds": seconds * max(1, arriving),
            "pools": float(params.num_pools),
            "cpus": float(params.num_pools * params.cpus_per_pool),
            "memory_gb": float(params.num_pools * params.ram_gb_per_pool),
        }

    @property
    def settings(self) -> Mapping[str, Any]:
        return self.params.to_mapping()
