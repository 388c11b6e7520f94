"""A scenario: a workload together with the cluster and the simulation parameters it runs on."""

from dataclasses import dataclass

from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.workload import Workload

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One thing to try a policy on. ``split`` is one of ``SPLITS``; ``family`` names its kind."""

    name: str
    family: str
    split: str
    params: Params
    workload: Workload
    sha256: str
    """Hash of the parameters and of the workload: equal hashes mean the same scenario."""
