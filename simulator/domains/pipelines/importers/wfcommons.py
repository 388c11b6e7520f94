"""WfCommons WfFormat 1.0 to 1.6: a workflow's graph with run times, memory and files."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from simulator.domains.pipelines.importers.records import (
    NOT_SAMPLED,
    Imported,
    Job,
    Node,
    Selection,
    Taking,
    check_size,
    count_facts,
    graph_operators,
    work,
)
from simulator.domains.pipelines.plans import SCAN_GB_PER_SECOND
from simulator.domains.pipelines.tracefile import MAX_TRACE_NUMBER
from simulator.domains.pipelines.workload import Priority, Segment
from simulator.errors import TraceError
from simulator.readers.files import MAX_COUNT, read_object
from simulator.textfile import show

SOURCE = "WfCommons WfFormat instances"
LICENCE = "see the licence of the instances that were read"
DEFAULT = Selection(window_seconds=MAX_COUNT)
GB = 1e9
KB = 1000
KINDS = {dict: "an object", list: "a list", str: "a text", (int, float): "a number"}
MEMORY_KEYS = {"memoryInBytes": 1, "memory": KB}
"""What tasks and machines call their memory, and the bytes in the unit that the format says it has.

Files are known to have the other one of these units, which is noticed when a machine has less than
a gigabyte, half of the tasks less than a megabyte or more than a terabyte, or a task more than any
machine; and when half have less than 32 MB and no size is a whole number of kilobytes, as sizes in
bytes are that were measured.
"""
LEAST_MACHINE, MOST_MACHINE = 1e9, 1e14
LEAST_TASK, LEAST_ODD_TASK, MOST_TASK = 1e6, 32e6, 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    """What a file says of a task, whatever the version of its format; None is not known."""

    names: tuple[str, ...]
    """What others may call it, the preferred name first."""
    parents: list[str]
    children: list[str]
    seconds: float | None
    cores: float
    cpu_percent: float
    memory_bytes: float
    read_bytes: float | None
    input_bytes: float


def import_wfcommons(
    paths: Sequence[Path],
    selection: Selection = DEFAULT,
    *,
    gap_seconds: float = 60.0,
    unknown_memory_gb: float = 2.0,
) -> Imported:
    """Return one pipeline for each file, in the order given."""
    taking = Taking(selection)
    taken = 0
    for path in paths:
        if taking.full:
            taking.leave_out_late(1, 0)
            continue
        records, facts = _records(path)
        if not taking.sampled(path.name):
            taking.leave_out(NOT_SAMPLED, tasks=len(records))
            continue
        job = _job(path, records, facts, taken * gap_seconds, unknown_memory_gb)
        if isinstance(job, str):
            taking.leave_out(job, tasks=len(records))
        elif taking.in_time(job.arrival_seconds, tasks=len(records)):
            taking.add(str(path), job)
            taken += 1
    jobs = taking.jobs()
    return taking.imported(
        paths[0],
        jobs,
        source=SOURCE,
        licence=LICENCE,
        assumptions=_assumptions(count_facts(jobs), gap_seconds, unknown_memory_gb),
    )


def _assumptions(
    facts: Counter[str], gap_seconds: float, unknown_memory_gb: float
) -> tuple[str, ...]:
    sometimes = {
        "no run time": "tasks without run time count as 0 s",
        "kilobytes": "workflows call memory bytes that can only be kilobytes: taken times 1000",
        "bytes": "workflows call memory kilobytes that can only be bytes: taken as bytes",
        "unknown": "parents or children are not among the tasks: taken as done",
        "twice": "tasks have the name of another one: all are kept, and children wait for all",
        "executions": "executions of tasks that are not in the specification are left out",
    }
    return (
        "a workflow is a pipeline and a task an operator; workflows arrive "
        f"{gap_seconds:g} s apart",
        "bytes read are those recorded, else the sizes of the input files "
        f"({facts['input files']} tasks), but no more than {SCAN_GB_PER_SECOND} GB/s read in the "
        f"run time ({facts['read less']} tasks)",
        "work is run time less reading, times the cores used: those of the average CPU where it is "
        f"recorded ({facts['average CPU']} tasks above 100 %, {facts['one core']} with one core), "
        "else those asked for; linear7 with several cores, so that of more than 7 cores the "
        "recorded run time is not reached",
        "memory is the recorded resident size and fixed; "
        f"{unknown_memory_gb:g} GB where it is unknown or 0 ({facts['memory']} tasks)",
        *(f"{facts[fact]} {words}" for fact, words in sometimes.items() if facts[fact]),
        "every workflow has priority BATCH_PIPELINE",
    )


def _records(path: Path) -> tuple[list[_Record], Counter[str]]:
    """Return the tasks of a file, and what was odd about it; the layout decides, not the version.

    Up to 1.2 tasks are ``workflow.jobs``, up to 1.4 ``workflow.tasks``, from 1.5 on
    ``workflow.specification.tasks`` with ``workflow.execution.tasks``.
    """
    instance = read_object(path)
    workflow = _get(instance, "workflow", dict, str(path))
    where = f"{path}: workflow"
    facts: Counter[str] = Counter()
    if "specification" in workflow:
        pairs = _split_tasks(workflow, path, facts)
        machines = _get(workflow.get("execution") or {}, "machines", list, where, [])
        keys = ("id", "name")
    else:
        found = next((key for key in ("tasks", "jobs") if key in workflow), None)
        if found is None:
            raise TraceError(
                f"{where} has neither specification, tasks nor jobs, expected WfFormat 1.0 to 1.6; "
                f"schemaVersion is {show(instance.get('schemaVersion'))}"
            )
        pairs = [(task, task) for task in _get(workflow, found, list, where)]
        machines = _get(workflow, "machines", list, where, [])
        keys = ("name", "id")
    runs = [run for _, run in pairs]
    units = {key: _unit(runs, machines, key, where, facts) for key in MEMORY_KEYS}
    wms = instance.get("wms") or instance.get("runtimeSystem")
    pegasus = isinstance(wms, dict) and "pegasus" in str(wms.get("name")).lower()
    read_keys = {"readBytes": 1, "bytesRead": 1 if pegasus else KB}
    sizes = _file_sizes(workflow.get("specification") or {}, path)
    return [_record(pair, keys, path, units, read_keys, sizes) for pair in pairs], facts


def _split_tasks(
    workflow: Mapping[str, Any], path: Path, facts: Counter[str]
) -> list[tuple[Any, Any]]:
    """Return each task of the specification with its execution, {} if it has none."""
    specification = _get(workflow, "specification", dict, f"{path}: workflow")
    execution = _get(workflow, "execution", dict, f"{path}: workflow", {})
    runs: dict[str, Any] = {}
    executed = _get(execution, "tasks", list, f"{path}: execution", [])
    for run in executed:
        runs.setdefault(_get(run, "id", str, f"{path}: execution"), run)
    tasks = _get(specification, "tasks", list, f"{path}: specification")
    ids = {task.get("id") for task in tasks if isinstance(task, Mapping) and _named(task, "id")}
    facts["executions"] = len(executed) - len(ids & set(runs))
    return [(task, runs.get(_get(task, "id", str, f"{path}: specification"), {})) for task in tasks]


def _file_sizes(specification: Mapping[str, Any], path: Path) -> dict[str, float]:
    where = f"{path}: file"
    return {
        _get(file, "id", str, where): _amount(file, "sizeInBytes", where) or 0.0
        for file in _get(specification, "files", list, f"{path}: specification", [])
    }


def _unit(
    runs: Sequence[Any], machines: Sequence[Any], key: str, where: str, facts: Counter[str]
) -> int:
    """Return the bytes in the unit of a file's memory: as its key says, or as is plausible."""
    said = MEMORY_KEYS[key]
    other = KB if said == 1 else 1
    sizes = [each for run in runs if (each := _first(run, {key: 1}, f"{where}: memory"))]
    if not sizes:
        return said
    machine = max(
        (_first(each, {key: 1}, f"{where}: machine") or 0.0 for each in machines), default=0
    )
    wrong_machine = bool(machine) and not LEAST_MACHINE <= machine * said <= MOST_MACHINE
    machine *= other if wrong_machine else said
    odd = not any(size % 1000 == 0 or size % 1024 == 0 for size in sizes)
    for unit in (other, said) if wrong_machine else (said, other):
        fits = not machine or max(sizes) * unit <= machine
        least = LEAST_ODD_TASK if odd and unit == 1 else LEAST_TASK
        if fits and least <= median(sizes) * unit <= MOST_TASK:
            if unit != said:
                facts["kilobytes" if unit == KB else "bytes"] = 1
            return unit
    return said


def _record(
    pair: tuple[Any, Any],
    keys: tuple[str, ...],
    path: Path,
    units: Mapping[str, int],
    read_keys: Mapping[str, int],
    sizes: Mapping[str, float],
) -> _Record:
    task, run = pair
    name = _get(task, keys[0], str, f"{path}: task")
    where = f"{path}: task {show(name)}"
    inputs = [
        sizes.get(file, 0.0)
        for file in _get(task, "inputFiles", list, where, [])
        if isinstance(file, str)
    ] + [
        _first(file, {"sizeInBytes": 1, "size": 1}, where) or 0.0
        for file in _get(task, "files", list, where, [])
        if str(file.get("link") if isinstance(file, Mapping) else "").lower() == "input"
    ]
    return _Record(
        names=tuple(task[key] for key in keys if _named(task, key)),
        parents=[str(each) for each in _get(task, "parents", list, where, [])],
        children=[str(each) for each in _get(task, "children", list, where, [])],
        seconds=_seconds(run, where),
        cores=_first(run, {"coreCount": 1, "cores": 1}, where) or 0.0,
        cpu_percent=_first(run, {"avgCPU": 1}, where) or 0.0,
        memory_bytes=_first(run, units, where) or 0.0,
        read_bytes=_first(run, read_keys, where),
        input_bytes=sum(inputs),
    )


def _seconds(run: Any, where: str) -> float | None:
    found = _amount(run, "runtimeInSeconds", where, high=MAX_TRACE_NUMBER)
    return _amount(run, "runtime", where, high=MAX_TRACE_NUMBER) if found is None else found


def _job(
    path: Path,
    records: Sequence[_Record],
    facts: Counter[str],
    arrival: float,
    unknown_memory_gb: float,
) -> Job | str:
    """Return the pipeline of a workflow, or why there is none."""
    if not records:
        return "without tasks"
    if all(record.seconds is None for record in records):
        return "without any run time"
    groups: dict[str, list[int]] = {}
    for position, record in enumerate(records):
        groups.setdefault(record.names[0], []).append(position)
    facts["twice"] = len(records) - len(groups)
    second = {
        name: [position]
        for position, record in enumerate(records)
        for name in record.names[1:]
        if name not in groups
    }
    groups |= second
    waits_for: list[dict[str, None]] = [{} for _ in records]
    linked: set[tuple[str, str]] = set()
    edges = 0
    for position, record in enumerate(records):
        waits_for[position] |= {name: None for name in record.parents if name in groups}
        facts["unknown"] += sum(name not in groups for name in record.parents + record.children)
        for child in record.children:
            if (child, record.names[0]) in linked:
                continue
            linked.add((child, record.names[0]))
            edges += len(groups.get(child, ()))
            check_size(f"{path}: children", edges)
            for each in groups.get(child, ()):
                if not any(name in waits_for[each] for name in record.names):
                    waits_for[each][record.names[0]] = None
    nodes = [
        Node(
            segment=_segment(
                f"{path}: task {show(record.names[0])}", record, facts, unknown_memory_gb
            ),
            waits_for=tuple(names),
        )
        for record, names in zip(records, waits_for, strict=True)
    ]
    made = graph_operators(nodes, groups)
    if made is None:
        return "with parents in a circle"
    return Job(
        arrival_seconds=arrival,
        priority=Priority.BATCH_PIPELINE,
        operators=made[0],
        tasks=len(records),
        facts=facts,
    )


def _segment(where: str, record: _Record, facts: Counter[str], unknown_memory_gb: float) -> Segment:
    lasted = record.seconds or 0.0
    facts["no run time"] += record.seconds is None
    facts["memory"] += not record.memory_bytes
    cores = record.cores or 1.0
    if record.cpu_percent:
        cores = max(1.0, record.cpu_percent / 100)
        facts["average CPU" if cores > 1 else "one core"] += 1
    read_gb = record.read_bytes
    if read_gb is None:
        read_gb = record.input_bytes
        facts["input files"] += bool(read_gb)
    read_gb /= GB
    facts["read less"] += read_gb > lasted * SCAN_GB_PER_SECOND
    read_gb = min(read_gb, lasted * SCAN_GB_PER_SECOND)
    memory_gb = record.memory_bytes / GB or unknown_memory_gb
    seconds = max(lasted - read_gb / SCAN_GB_PER_SECOND, 0.0)
    return work(where, seconds * cores, memory_gb, "linear7" if cores > 1 else "const", read_gb)


def _first(table: Any, keys: Mapping[str, int], where: str) -> float | None:
    """Return the number under the first of ``keys`` that has one, times what stands there.

    A negative number stands for one that is not known.
    """
    for key, scale in keys.items():
        value = _amount(table, key, where, low=-MAX_COUNT)
        if value is not None and value >= 0:
            return value * scale
    return None


def _amount(
    table: Any, key: str, where: str, low: float = 0.0, high: float = MAX_COUNT
) -> float | None:
    """Return the number under a key, ``low`` to ``high``; None if there is none."""
    value = _get(table, key, (int, float), where, None)
    if value is None:
        return None
    if not low <= value <= high:
        raise TraceError(
            f"{where}: {key} is {show(value)}, expected a number from {low:g} to {high:g}"
        )
    return float(value)


def _named(task: Mapping[str, Any], key: str) -> bool:
    return isinstance(task.get(key), str)


def _get(table: Any, key: str, kind: Any, where: str, default: Any = ...) -> Any:
    """Return what stands under ``key``; ``default``, if there is one, for nothing and for null."""
    if not isinstance(table, Mapping):
        raise TraceError(f"{where} is {show(table)}, expected an object")
    value = table.get(key)
    if value is None and default is not ...:
        return default
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TraceError(f"{where}: {key} is {show(value)}, expected {KINDS[kind]} as in WfFormat")
    return value
