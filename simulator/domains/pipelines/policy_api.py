"""The objects a policy sees: one import for all of them."""

from simulator.domains.pipelines.policy_cluster import (
    Clock,
    Container,
    Executor,
    ResourcePool,
    Scheduler,
)
from simulator.domains.pipelines.policy_requests import Assignment, ExecutionResult, Suspend
from simulator.domains.pipelines.policy_values import (
    ASSIGNABLE_STATES,
    STATES,
    Estimate,
    OperatorState,
    Priority,
)
from simulator.domains.pipelines.policy_work import DAG, Operator, Pipeline, PipelineRuntimeStatus

__all__ = [
    "ASSIGNABLE_STATES",
    "DAG",
    "STATES",
    "Assignment",
    "Clock",
    "Container",
    "Estimate",
    "ExecutionResult",
    "Executor",
    "Operator",
    "OperatorState",
    "Pipeline",
    "PipelineRuntimeStatus",
    "Priority",
    "ResourcePool",
    "Scheduler",
    "Suspend",
]
