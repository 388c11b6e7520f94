"""The page about what a policy can see and do, written from the code that implements it.

``python -m simulator.domains.pipelines.contract_page > docs/policy-contract.md`` writes the page
that ships; the prompts show the same text to a model.
"""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simulator.domains.pipelines import policy_api as api
from simulator.domains.pipelines.contract import CONTRACT, contract_names
from simulator.domains.pipelines.decisions import LEAST_CPUS
from simulator.domains.pipelines.params import POLICY_CALLS
from simulator.domains.pipelines.plans import SCAN_GB_PER_SECOND
from simulator.errors import InputError
from simulator.textfile import read_text

FOLDER = Path(__file__).parent / "page"
PAGE = "contract.md"
MAX_PAGE_BYTES = 1 << 16

CALLS = {"on_change": "calls_on_change.md", "every_tick": "calls_every_tick.md"}
"""The file that says when a policy is called, by calling mode."""

CHOSEN = {
    "on_change": "With `policy_calls = on_change`, the default of a search:",
    "every_tick": "With `policy_calls = every_tick`:",
}

PARAMS = (
    "duration",
    "ticks_per_second",
    "num_pools",
    "cpus_per_pool",
    "ram_gb_per_pool",
    "multi_operator_containers",
    "allow_memory_overcommit",
    "max_job_seconds",
)
"""The keys of ``s.params`` that describe a policy's scenario."""

OBJECTS: Mapping[str, tuple[type[Any], Mapping[str, str]]] = {
    "s": (
        api.Scheduler,
        {
            "executor": "the pools: `s.executor.pools`, a list in order of `pool_id`",
            "params": (
                "a dict of the scenario's settings: "
                + ", ".join(f"`{name}`" for name in PARAMS)
                + "; "
                "a `max_job_seconds` of 0 is no deadline; other keys are settings of the "
                "workload generator, which may not describe this scenario"
            ),
            "clock": "the simulated clock: `now_ticks()`, `now_seconds()`, `ticks_per_second`",
        },
    ),
    "pool": (
        api.ResourcePool,
        {
            "pool_id": "its number, from 0",
            "max_cpu_pool, max_ram_pool": "total CPUs and GB",
            "avail_cpu_pool, avail_ram_pool": "free CPUs and GB",
            "active_containers, suspending_containers": "lists of containers",
        },
    ),
    "container": (
        api.Container,
        {
            "container_id": "its id, a str",
            "assignment": "the request: `.cpu`, `.ram`, `.ops`",
        },
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
            "estimate": "`op.estimate.mem_peak_gb`: estimated GB, may be wrong; None in scenarios "
            "without estimates",
        },
    ),
    "result": (
        api.ExecutionResult,
        {
            "ops": "all operators of the container, completed or not; `result.ops[0].pipeline` is "
            "their pipeline",
            "cpu, ram, priority, pool_id, container_id": "as in the request",
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


HEAD = """\
<!-- Written from the code by `python -m simulator.domains.pipelines.contract_page`. -->

A policy is one Python module that registers one init and one step function, as
[the guide](policy-guide.md) shows. The decorators and names are those of Eudoxia: policies written
for it run unmodified, with their imports or without. Prompts show the same text to a model.
"""


def contract_page(*modes: str, head: str = "") -> str:
    """Return the page in Markdown: what there is, when a policy is called, what it can ask for.

    ``modes`` are the values of ``policy_calls`` that it explains.
    """
    calls = [_text(CALLS[mode]).rstrip() for mode in modes]
    if len(modes) > 1:
        calls = [f"{CHOSEN[mode]}\n\n{text}" for mode, text in zip(modes, calls, strict=True)]
    return (
        _text(PAGE)
        .format(
            head=f"{head}\n" if head else "",
            calls="\n\n".join(calls),
            names=", ".join(
                f"`{name}`" for name in (CONTRACT.init, CONTRACT.step, *contract_names())
            ),
            priorities=", ".join(f"`Priority.{priority.name}`" for priority in api.Priority),
            states=", ".join(f"`{state.name}`" for state in api.OperatorState),
            assignable=" and ".join(f"`{state.name}`" for state in api.ASSIGNABLE_STATES),
            objects="\n\n".join(_object(name) for name in OBJECTS),
            assignment=", ".join(f"{name}=..." for name in required(api.Assignment)),
            suspend=", ".join(required(api.Suspend)),
            scan_gb_per_second=SCAN_GB_PER_SECOND,
            least_cpus=LEAST_CPUS,
        )
        .strip("\n")
    )


def _text(name: str) -> str:
    return read_text(FOLDER / name, InputError, MAX_PAGE_BYTES)


def document() -> str:
    """Return the page as it stands in the documentation."""
    return contract_page(*POLICY_CALLS[::-1], head=HEAD) + "\n"


def members(kind: type[Any]) -> list[tuple[str, Any]]:
    """Return the public methods and properties of a class that the page names, in their order."""
    return [
        (name, value)
        for name, value in vars(kind).items()
        if not name.startswith("_")
        and name not in LEFT_OUT
        and (inspect.isfunction(value) or isinstance(value, property))
    ]


def _object(name: str) -> str:
    kind, attributes = OBJECTS[name]
    lines = [f"## {_TITLES.get(name, f'`{name}`')}", ""]
    lines += [f"- `{attribute}`: {words}" for attribute, words in attributes.items()]
    shown = {each for names in attributes for each in names.split(", ")}
    lines += [_member_line(*member) for member in members(kind) if member[0] not in shown]
    return "\n".join(lines)


def required(kind: type[Any]) -> list[str]:
    """Return the parameters that must be given to make an object of a class, in their order."""
    parameters = inspect.signature(kind).parameters.values()
    return [each.name for each in parameters if each.default is each.empty]


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


if __name__ == "__main__":
    print(document(), end="")
