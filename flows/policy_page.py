"""The page that tells what a policy can see and do, written from the code that implements it."""

import inspect
from collections.abc import Mapping
from typing import Any

from simulator import policy_api as api

OBJECTS: Mapping[str, tuple[type[Any], Mapping[str, str]]] = {
    "s": (
        api.Scheduler,
        {
            "executor": "the pools: `s.executor.pools`, a list in order of `pool_id`",
            "params": "the parameters of the simulation, a dict by name",
            "clock": "the simulated clock",
        },
    ),
    "pool": (
        api.ResourcePool,
        {
            "pool_id": "its number, from 0",
            "max_cpu_pool, max_ram_pool": "CPUs and GB in all",
            "avail_cpu_pool, avail_ram_pool": "CPUs and GB that no container holds",
            "active_containers, suspending_containers": "lists of containers",
        },
    ),
    "container": (
        api.Container,
        {"container_id": "its id", "assignment": "what was asked for: `.cpu`, `.ram`, `.ops`"},
    ),
    "pipeline": (
        api.Pipeline,
        {
            "pipeline_id": "its id, a str",
            "priority": "a `Priority`",
            "values": "its operators, parents before children; `len(pipeline.values)` counts them",
        },
    ),
    "status": (
        api.PipelineRuntimeStatus,
        {"arrival_tick": "the tick at which it arrived"},
    ),
    "op": (
        api.Operator,
        {
            "id": "its id, a str",
            "pipeline": "its pipeline",
            "parents, children": "lists of operators",
            "estimate": "`op.estimate.mem_peak_gb`: GB, perhaps wrong; None without an estimator",
        },
    ),
    "result": (
        api.ExecutionResult,
        {
            "ops": "all operators of the container, completed or not",
            "cpu, ram, priority, pool_id, container_id": "as they were asked for",
            "error": 'None, `"OOM"` or `"timeout"`',
        },
    ),
}
"""Name on the page -> class, and its attributes that are not methods or properties."""

LEFT_OUT = frozenset(
    ("to_dict", "get_consumed_ram_gb", "get_latency_ticks", "is_completed", "ticks_elapsed")
)
"""Public names that exist for policies written elsewhere and that a new policy has no use for."""

_TITLES = {
    "s": "`s`, the scheduler: keep your state on it",
    "status": "`pipeline.runtime_status()`",
}


def policy_page() -> str:
    """Return the page in Markdown: the names that are there, the objects, and what can be asked."""
    blocks = [_names()]
    for name, (kind, attributes) in OBJECTS.items():
        lines = [f"## {_TITLES.get(name, f'`{name}`')}", ""]
        lines += [f"- `{attribute}`: {words}" for attribute, words in attributes.items()]
        lines += [_member_line(member, value) for member, value in members(kind)]
        blocks.append("\n".join(lines))
    blocks.append(_requests())
    return "\n\n".join(blocks)


def members(kind: type[Any]) -> list[tuple[str, Any]]:
    """Return the public methods and properties of a class that the page names, in their order."""
    return [
        (name, value)
        for name, value in vars(kind).items()
        if not name.startswith("_")
        and name not in LEFT_OUT
        and (inspect.isfunction(value) or isinstance(value, property))
    ]


def _names() -> str:
    priorities = ", ".join(f"`Priority.{priority.name}`" for priority in api.Priority)
    states = ", ".join(f"`{state.name}`" for state in api.OperatorState)
    assignable = " and ".join(f"`{state.name}`" for state in api.ASSIGNABLE_STATES)
    return (
        "# What a policy can use\n\n"
        "These names are there without an import: `register_scheduler_init`, `register_scheduler`, "
        "`Assignment`, `Suspend`, `Priority`, `OperatorState`, `ASSIGNABLE_STATES`.\n\n"
        f"- `Priority`: {priorities}; its `.value` is smaller the more urgent.\n"
        f"- `OperatorState`: {states}. `ASSIGNABLE_STATES` are {assignable}."
    )


def _requests() -> str:
    assignment = ("ops", "cpu", "ram", "priority", "pool_id", "pipeline_id")
    return (
        "## What a step returns\n\n"
        f"- `Assignment({', '.join(f'{name}=...' for name in assignment)})`: a container of `cpu` "
        "CPUs and `ram` GB in pool `pool_id` that runs `ops` in order; `priority` is its label.\n"
        "- `Suspend(container_id, pool_id)`: only when `container.can_suspend_container()`, which "
        "is so on the tick after one of its operators ended and another is to come. Its CPUs and "
        "memory are free again `ram / 20` seconds later; then its other operators can be assigned."
    )


def _member_line(name: str, value: Any) -> str:
    words = (inspect.getdoc(value) or "").split("\n")[0].removeprefix("Return ").rstrip(".")
    words = words.replace("``", "`")
    words = words[:1].lower() + words[1:] if not words.startswith("GB") else words
    if isinstance(value, property):
        return f"- `{name}`: {words}"
    parameters = list(inspect.signature(value).parameters.values())[1:]
    shown = ", ".join(
        each.name if each.default is each.empty else f"{each.name}={each.default!r}"
        for each in parameters
    )
    return f"- `{name}({shown})`: {words}"
