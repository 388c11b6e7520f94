"""The names that a policy finds without an import, and the modules it may import them from."""

import builtins
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Dict, List, Optional, Tuple  # noqa: UP035 - offered under these names

from simulator.domains.pipelines import policy_api
from simulator.domains.pipelines.policy_api import ExecutionResult, Operator, Pipeline, Priority

Step = Callable[..., Any]

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


class Registry:
    """Collects what a policy registers."""

    def __init__(self) -> None:
        self.inits: dict[str, Step] = {}
        self.steps: dict[str, Step] = {}

    def register_scheduler_init(self, key: str) -> Callable[[Step], Step]:
        """Decorate the function that is called once with ``s``."""
        return _register(self.inits, "register_scheduler_init", key)

    def register_scheduler(self, key: str) -> Callable[[Step], Step]:
        """Decorate the function that is called with ``s``, results and pipelines."""
        return _register(self.steps, "register_scheduler", key)


def contract_names(registry: Registry) -> dict[str, Any]:
    """Return the names that are there without an import."""
    return {
        "register_scheduler_init": registry.register_scheduler_init,
        "register_scheduler": registry.register_scheduler,
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


def policy_builtins(names: Mapping[str, Any]) -> dict[str, Any]:
    """Return the built-ins for a policy, whose imports also find the contract's modules."""
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

    def import_(
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Any = (),
        level: int = 0,
    ) -> ModuleType:
        if level == 0 and (name == PACKAGE or name.startswith(PACKAGE + ".")):
            if name not in MODULES:
                raise ModuleNotFoundError(f"no module named {name!r} here", name=name)
            return package
        return builtins.__import__(name, globals, locals, fromlist, level)

    return {**vars(builtins), "__import__": import_}


def _register(table: dict[str, Step], decorator: str, key: str) -> Callable[[Step], Step]:
    if not isinstance(key, str):
        raise TypeError(f"{decorator} needs a key, write @{decorator}(key=...)")

    def register(function: Step) -> Step:
        if key in table:
            raise KeyError(f"{decorator}: the key {key!r} is registered twice")
        table[key] = function
        return function

    return register
