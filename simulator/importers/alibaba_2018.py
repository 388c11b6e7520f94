"""Alibaba cluster trace v2018: ``batch_task.csv``, whose task names spell the graph of a job."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from simulator.errors import TraceError
from simulator.importers.graphs import ordered_operators
from simulator.importers.records import (
    MAX_COUNT,
    Imported,
    Job,
    assemble,
    check_size,
    number,
    read_cells,
    work,
)
from simulator.workload import Priority, Segment

SOURCE = "Alibaba cluster trace v2018, batch_task.csv"
LICENCE = "research and study only, by its owner's terms; do not pass the trace on"
COLUMNS = (
    "task_name", "instance_num", "job_name", "task_type", "status", "start_time", "end_time",
    "plan_cpu", "plan_mem",
)  # fmt: skip
# The data spells the graph in digits; what follows them, as in M1_Stg2, means nothing.
GRAPH_NAME = re.compile(r"[A-Za-z]+([0-9]{1,6})((?:_[0-9]{1,6})*)(?:_[A-Za-z].*)?")
SMALL_JOB = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    parents: list[str]
    segment: Segment
    start: float
    copies: int


def import_alibaba_2018(
    path: Path,
    *,
    begin_seconds: float = 0.0,
    window_seconds: float = 600.0,
    ticks_per_second: int = 100,
    machine_gb: float = 96.0,
    most_instances: int = 1,
) -> Imported:
    """Return the jobs whose first task started in a window; the file is read twice, never kept.

    The first reading finds the jobs with a task in the window, the second takes all their tasks.
    """
    end_seconds = begin_seconds + window_seconds
    wanted = {row["job_name"] for _, row in _started(path, begin_seconds, end_seconds)}
    jobs: dict[str, dict[str, _Task] | None] = {}
    skipped = kept = 0
    for place, row in _rows(path):
        if row["job_name"] not in wanted:
            continue
        tasks = jobs.setdefault(row["job_name"], {})
        task = _task(place, row, machine_gb, most_instances)
        if task is None:
            skipped += 1
            jobs[row["job_name"]] = None
        elif tasks is not None:
            kept += task.copies
            check_size(place, kept)
            number_in_job = _number_in(row["task_name"])
            tasks[row["task_name"] if number_in_job in tasks else number_in_job] = task
    made = [
        _job(f"{path}: job {name}", tasks)
        for name, tasks in jobs.items()
        if tasks and begin_seconds <= min(task.start for task in tasks.values()) < end_seconds
    ]
    return Imported(
        source=SOURCE,
        licence=LICENCE,
        assumptions=_assumptions(machine_gb, most_instances),
        workload=assemble(made, ticks_per_second),
        skipped=skipped,
    )


def _assumptions(machine_gb: float, most_instances: int) -> tuple[str, ...]:
    return (
        "a job is a pipeline; it arrives when its first task started",
        f"a task becomes one operator for each instance, {most_instances} at most; instances above "
        "that are left out, so the load is smaller than recorded",
        "work of an instance is the task's duration times its planned cores, scaling linear7",
        f"planned memory is a share of the largest machine, which is taken to have {machine_gb:g} "
        "GB; memory is fixed; nothing is read",
        "priority by size: one task QUERY, up to three INTERACTIVE, more BATCH_PIPELINE",
        "parents that the data left out are taken as done",
        "jobs with a task that did not end, or lacks times, cpu or memory, are left out whole",
    )


def _rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    for place, row in read_cells(path):
        if tuple(row) == COLUMNS:
            continue
        if len(row) != len(COLUMNS):
            raise TraceError(f"{place}: {len(row)} cells, expected {', '.join(COLUMNS)}")
        yield place, dict(zip(COLUMNS, row, strict=True))


def _started(path: Path, begin: float, end: float) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the rows with a start in the window; 0 stands for outside the recorded days."""
    for place, row in _rows(path):
        if row["start_time"]:
            start = number(place, "start_time", row["start_time"])
            if start > 0 and begin <= start < end:
                yield place, row


def _task(place: str, row: dict[str, str], machine_gb: float, most: int) -> _Task | None:
    """Return what can be run of a task; -1 and 101 stand for values that are not valid."""
    if row["status"] != "Terminated" or not all(row[name] for name in COLUMNS):
        return None
    start = number(place, "start_time", row["start_time"])
    end = number(place, "end_time", row["end_time"])
    cores = number(place, "plan_cpu", row["plan_cpu"], low=-1.0) / 100
    share = number(place, "plan_mem", row["plan_mem"], low=-1.0, high=101.0) / 100
    instances = number(place, "instance_num", row["instance_num"], high=MAX_COUNT)
    if not 0 < start <= end or cores < 0 or not 0 <= share <= 1:
        return None
    return _Task(
        parents=_parents_in(row["task_name"]),
        segment=work(place, (end - start) * cores, share * machine_gb, "linear7"),
        start=start,
        copies=max(1, int(min(instances, most))),
    )


def _number_in(task_name: str) -> str:
    match = GRAPH_NAME.fullmatch(task_name)
    return match[1] if match else task_name


def _parents_in(task_name: str) -> list[str]:
    match = GRAPH_NAME.fullmatch(task_name)
    return match[2].split("_")[1:] if match else []


def _job(where: str, tasks: dict[str, _Task]) -> Job:
    nodes = {
        f"{name}/{copy}": (
            [
                f"{parent}/{each}"
                for parent in task.parents
                if parent in tasks and parent != name
                for each in range(tasks[parent].copies)
            ],
            task.segment,
        )
        for name, task in tasks.items()
        for copy in range(task.copies)
    }
    small = Priority.QUERY if len(tasks) == 1 else Priority.INTERACTIVE
    return Job(
        arrival_seconds=min(task.start for task in tasks.values()),
        priority=small if len(tasks) <= SMALL_JOB else Priority.BATCH_PIPELINE,
        operators=ordered_operators(where, nodes),
    )
