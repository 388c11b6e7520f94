"""WfCommons WfFormat 1.5: a workflow's graph with run times, memory and files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from simulator.errors import TraceError
from simulator.importers.graphs import ordered_operators
from simulator.importers.records import MAX_COUNT, Imported, Job, assemble, check_size, work
from simulator.textfile import read_json, show
from simulator.tracefile import MAX_TRACE_BYTES
from simulator.workload import Priority, Segment

SOURCE = "WfCommons WfFormat 1.5 instances"
LICENCE = "see the licence of the instances that were read"
VERSION = "1.5"
GB = 1e9
GB_PER_SECOND = 20


def import_wfcommons(
    paths: Sequence[Path],
    *,
    gap_seconds: float = 60.0,
    ticks_per_second: int = 100,
    unknown_memory_gb: float = 2.0,
) -> Imported:
    """Return one pipeline for each file, in the order given."""
    jobs: list[Job] = []
    operators = 0
    for position, path in enumerate(paths):
        made = ordered_operators(str(path), _nodes(path, unknown_memory_gb))
        operators += len(made)
        check_size(str(path), operators)
        jobs.append(
            Job(
                arrival_seconds=position * gap_seconds,
                priority=Priority.BATCH_PIPELINE,
                operators=made,
            )
        )
    return Imported(
        source=SOURCE,
        licence=LICENCE,
        assumptions=(
            "a workflow is a pipeline and a task an operator; workflows arrive "
            f"{gap_seconds:g} s apart",
            "bytes read are those recorded, else the sizes of the input files, but no more than "
            f"{GB_PER_SECOND} GB/s read in the run time",
            "work is run time less reading, times the cores used; linear7 with several cores, so "
            "that of more than 7 cores the recorded run time is not reached",
            "memory is the recorded resident size and fixed; "
            f"{unknown_memory_gb:g} GB where it is unknown or 0",
            "every workflow has priority BATCH_PIPELINE",
        ),
        workload=assemble(jobs, ticks_per_second),
        skipped=0,
    )


def _nodes(path: Path, unknown_memory_gb: float) -> dict[str, tuple[Sequence[str], Segment]]:
    instance = read_json(path, TraceError, MAX_TRACE_BYTES)
    version = _get(instance, "schemaVersion", str, str(path))
    if version != VERSION:
        raise TraceError(f"{path}: schemaVersion is {show(version)}, expected {VERSION}")
    workflow = _get(instance, "workflow", dict, str(path))
    specification = _get(workflow, "specification", dict, f"{path}: workflow")
    execution = _get(workflow, "execution", dict, f"{path}: workflow")
    sizes = {
        _get(file, "id", str, f"{path}: file"): _amount(file, "sizeInBytes", f"{path}: file", 0.0)
        for file in _get(specification, "files", list, f"{path}: specification", [])
    }
    runs = {
        _get(task, "id", str, f"{path}: execution"): task
        for task in _get(execution, "tasks", list, f"{path}: execution")
    }
    nodes: dict[str, tuple[Sequence[str], Segment]] = {}
    for task in _get(specification, "tasks", list, f"{path}: specification"):
        name = _get(task, "id", str, f"{path}: specification")
        where = f"{path}: task {show(name)}"
        if name in nodes:
            raise TraceError(f"{where} is given twice, expected a different id for each task")
        if name not in runs:
            raise TraceError(f"{where} has no execution, expected its runtimeInSeconds")
        files = _get(task, "inputFiles", list, where, [])
        read = sum(sizes.get(file, 0.0) for file in files if isinstance(file, str))
        parents = [str(parent) for parent in _get(task, "parents", list, where)]
        nodes[name] = (parents, _segment(runs[name], read, where, unknown_memory_gb))
    return nodes


def _segment(run: Any, input_bytes: float, where: str, unknown_memory_gb: float) -> Segment:
    cores = _amount(run, "coreCount", where, 1.0)
    lasted = _amount(run, "runtimeInSeconds", where)
    read_gb = _amount(run, "readBytes", where, input_bytes) / GB
    read_gb = min(read_gb, lasted * GB_PER_SECOND)
    memory_gb = _amount(run, "memoryInBytes", where, 0.0) / GB or unknown_memory_gb
    seconds = max(lasted - read_gb / GB_PER_SECOND, 0.0)
    law = "linear7" if cores > 1 else "const"
    return work(where, seconds * cores, memory_gb, law, read_gb)


def _amount(table: Any, key: str, where: str, default: float | None = None) -> float:
    """Return a number that is not negative and can be reckoned with."""
    value = _get(table, key, (int, float), where, default)
    if not 0 <= value <= MAX_COUNT:
        raise TraceError(
            f"{where}: {key} is {show(value)}, expected a number from 0 to {MAX_COUNT:g}"
        )
    return float(value)


def _get(table: Any, key: str, kind: Any, where: str, default: Any = None) -> Any:
    value = table.get(key, default) if isinstance(table, Mapping) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TraceError(f"{where}: {key} is {show(value)}, expected as in WfFormat {VERSION}")
    return value
