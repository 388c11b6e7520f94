"""What a policy of pipelines may rely on: the names it finds, and the modules it may import."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Dict, List, Optional, Tuple  # noqa: UP035 - offered under these names

from simulator.contract import Contract
from simulator.domains.pipelines import policy_api
from simulator.domains.pipelines.messages import DIALOGUE
from simulator.domains.pipelines.mirror import Mirror
from simulator.domains.pipelines.policy_api import ExecutionResult, Operator, Pipeline, Priority
from simulator.driver import LocalPolicy

PACKAGE = "eudoxia"
MODULES = frozenset(
    f"{PACKAGE}.{name}" if name else PACKAGE
    for name in (
        "", "clock", "core", "core.executor", "core.scheduler", "estimator", "estimator.estimate",
        "executor", "executor.assignment", "executor.container", "executor.executor",
        "executor.resource_pool", "scheduler", "scheduler.decorators", "scheduler.scheduler",
        "scheduler.waiting_queue", "simulator", "utils", "utils.consts", "utils.dag",
        "utils.utils", "workload", "workload.pipeline", "workload.runtime_status",
    )
)  # fmt: skip


class Segment:
    """Stands in type hints only: what operators need is hidden from policies."""

    def __init__(self, *arguments: object, **options: object) -> None:
        raise TypeError("segments cannot be made or read in a policy: use op.estimate instead")


@dataclass
class RetryStats:
    """Size and end of an earlier container, to size the next attempt by."""

    old_ram: float
    old_cpu: float
    error: str | None
    container_id: str | None
    pool_id: int | None


class WaitingQueueJob:
    """A note about work that waits: operators, their pipeline, and how an earlier try went."""

    def __init__(
        self,
        priority: Priority,
        p: Pipeline | None = None,
        ops: list[Operator] | None = None,
        retry_stats: RetryStats | None = None,
    ) -> None:
        self.priority = priority
        self.pipeline = p
        self.ops = ops
        self.retry_stats = retry_stats


def contract_names() -> dict[str, Any]:
    """Return the names that are there without an import."""
    return {
        "Assignment": policy_api.Assignment,
        "Suspend": policy_api.Suspend,
        "ExecutionResult": ExecutionResult,
        "Pipeline": Pipeline,
        "Operator": Operator,
        "OperatorState": policy_api.OperatorState,
        "ASSIGNABLE_STATES": policy_api.ASSIGNABLE_STATES,
        "Priority": Priority,
        "List": List,  # noqa: UP006
        "Tuple": Tuple,  # noqa: UP006
        "Dict": Dict,  # noqa: UP006
        "Optional": Optional,
    }


def contract_modules(names: Mapping[str, Any]) -> Mapping[str, ModuleType]:
    """Return the modules that a policy may import: one answers under all of their names."""
    package = ModuleType(PACKAGE)
    offered = {
        **{name: getattr(policy_api, name) for name in policy_api.__all__},
        **names,
        "Failure": ExecutionResult,
        "SimClock": policy_api.Clock,
        "Segment": Segment,
        "RetryStats": RetryStats,
        "WaitingQueueJob": WaitingQueueJob,
        "DISK_SCAN_GB_SEC": 20,
    }
    package.__dict__.update(offered)
    # One module answers for all: eudoxia.workload.Pipeline is eudoxia.Pipeline.
    for part in {part for module in MODULES for part in module.split(".")[1:]}:
        package.__dict__.setdefault(part, package)
    package.__dict__["__path__"] = []
    package.__dict__["__all__"] = list(offered)
    return dict.fromkeys(MODULES, package)


CONTRACT = Contract(
    dialogue=DIALOGUE,
    init="register_scheduler_init",
    step="register_scheduler",
    names=contract_names,
    modules=contract_modules,
    mirror=Mirror,
)


def local_policy(source: str, filename: str = "policy.py") -> LocalPolicy:
    """Return a trusted policy that runs in this process."""
    return LocalPolicy(CONTRACT, source, filename)
