"""Alibaba cluster trace v2018: ``batch_task.csv``, whose task names spell the graph of a job."""

import math
import re
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path

import numpy as np

from simulator.domains.pipelines.importers.records import (
    NOT_SAMPLED,
    OUTSIDE,
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
from simulator.domains.pipelines.workload import Priority, Segment
from simulator.errors import TraceError
from simulator.readers.files import MAX_COUNT, number, read_rows

SOURCE = "Alibaba cluster trace v2018, batch_task.csv"
LICENCE = "research and study only, by its owner's terms; do not pass the trace on"
DEFAULT = Selection()
COLUMNS = (
    "task_name", "instance_num", "job_name", "task_type", "status", "start_time", "end_time",
    "plan_cpu", "plan_mem",
)  # fmt: skip
TASK, INSTANCES, JOB, STATUS, START, END, CPU, MEMORY = 0, 1, 2, 4, 5, 6, 7, 8
# The data spells the graph in digits; what follows them, as in M1_Stg2, means nothing.
GRAPH_NAME = re.compile(r"[A-Za-z]+([0-9]{1,6})((?:_[0-9]{1,6})*)(?:_[A-Za-z].*)?")
NAME_CUT_AT = 50
ENDED = "Terminated"
STATUSES = (ENDED, "Failed", "Waiting", "Running", "Ready", "Cancelled", "Interrupted")
OTHER_FILES = {
    (8, 5): "batch_task of cluster-trace-v2017, which records no graph",
    (12, 5): "batch_instance of cluster-trace-v2017",
    (14, 4): "batch_instance.csv of cluster-trace-v2018",
}
"""Files that are mistaken for batch_task.csv, by their number of columns and that of the status."""
SMALL_JOB = 3
SPARE_JOBS = 1000
MOST_READINGS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    name: str
    segment: Segment
    start: float
    copies: int
    left_out: int


class _Rows:
    """What was read of a job: its tasks, or why it cannot be taken."""

    __slots__ = ("count", "start", "tasks", "trouble")

    def __init__(self) -> None:
        self.count = 0
        self.start = math.inf
        self.tasks: list[_Task] = []
        self.trouble = ""


def import_alibaba_2018(
    path: Path,
    selection: Selection = DEFAULT,
    *,
    machine_gb: float = 96.0,
    most_instances: int = 1,
) -> Imported:
    """Return the jobs whose first task started in a window; the file is read twice, never kept.

    The first reading finds the jobs with a task in the window, the second takes all their tasks.
    Not all of them can be taken. So both are repeated: with more jobs where a limit was not met,
    and with a later begin where the window is to begin at the first job and that cannot be taken.
    """
    most = None if selection.limit is None else 2 * selection.limit + SPARE_JOBS
    window, begin, floor = selection, selection.begin_seconds, -math.inf
    for _ in range(MOST_READINGS):
        survey = _Survey(path, window, most, floor)
        taking = Taking(window)
        _take(path, survey, taking, machine_gb, most_instances)
        earliest = min((job.arrival_seconds for job in taking.jobs()), default=math.inf)
        end = survey.begin + window.window_seconds
        if most is not None and survey.cut and not taking.full:
            most *= 8
        elif begin is None and survey.begin < earliest < math.inf:
            begin = earliest
            window = replace(window, begin_seconds=begin)
        elif begin is None and earliest == math.inf and survey.last >= end:
            floor = end
        else:
            break
    survey.count_others(taking, selection.limit)
    jobs = taking.jobs()
    return taking.imported(
        path,
        jobs,
        source=SOURCE,
        licence=LICENCE,
        assumptions=_assumptions(count_facts(jobs), machine_gb, most_instances),
    )


def _assumptions(facts: Counter[str], machine_gb: float, most_instances: int) -> tuple[str, ...]:
    return (
        "a job is a pipeline; it arrives when its first task started",
        f"a task becomes one operator for each instance, {most_instances} at most; "
        f"{facts['instances']} instances above that are left out, so the load is smaller than "
        "recorded",
        "work of an instance is the task's duration times its planned cores, scaling linear7",
        f"planned memory is a share of the largest machine, which is taken to have {machine_gb:g} "
        "GB; memory is fixed; nothing is read",
        "priority by size: one task QUERY, up to three INTERACTIVE, more BATCH_PIPELINE",
        f"parents that the data left out are taken as done ({facts['parents']} in "
        f"{facts['parents jobs']} jobs)",
        f"{facts['cut']} tasks in {facts['cut jobs']} jobs have names of {NAME_CUT_AT} characters, "
        "where the data cuts them: the last parent of each is left out, more may be missing"
        if facts["cut"]
        else "",
        f"{facts['twice']} tasks in {facts['twice jobs']} jobs have the number of another task of "
        "their job: all are kept, and children wait for all of them"
        if facts["twice"]
        else "",
        f"{facts['barriers']} operators without work stand between tasks of many instances: they "
        "wait for all of one task and all of the next wait for them"
        if facts["barriers"]
        else "",
        "jobs with a task that did not end, that lacks times, cpu or memory, or whose parents form "
        "a circle, are left out whole",
    )


class _Survey:
    """The first reading: which jobs have a task in the window, and how many there are in all.

    ``wanted`` has their first start; with ``most`` it has the earliest so many, and ``cut`` says
    that there are more. A window without a begin begins at the first start from ``floor`` on.
    """

    def __init__(self, path: Path, selection: Selection, most: int | None, floor: float) -> None:
        self.wanted: dict[str, float] = {}
        self.cut = False
        self.tasks_of_wanted = 0
        self.first, self.last = math.inf, -math.inf
        self._rows = 0
        self._not_sampled = 0
        # Names of millions of jobs need not be kept to be counted.
        self._names, self._others = array("q"), array("q")
        self._window = selection.window_seconds
        self._most = most
        self._floor = floor
        self.begin = math.inf if selection.begin_seconds is None else selection.begin_seconds
        self._open = selection.begin_seconds is None
        self._read(path, Taking(selection))
        self._prune()

    def _read(self, path: Path, taking: Taking) -> None:
        job, sampled, until = "", True, math.inf
        room = (self._most or 100_000) * 2
        for line, row in _rows(path):
            self._rows += 1
            if row[JOB] != job:
                job = row[JOB]
                sampled = taking.sampled(job)
                (self._names if sampled else self._others).append(hash(job))
            if not sampled:
                self._not_sampled += 1
                continue
            start = _start(path, line, row)
            if start <= 0:
                continue
            if row[STATUS] == ENDED:
                self.first, self.last = min(self.first, start), max(self.last, start)
                if self._open and self._floor <= start < self.begin:
                    self.begin = start
            since = self._floor if self._open else self.begin
            if since <= start < until and start < self.wanted.get(job, math.inf):
                self.wanted[job] = start
                if len(self.wanted) >= room:
                    until = self._prune()
                    room = max(room, 2 * len(self.wanted))

    def _prune(self) -> float:
        """Forget jobs after the window or too many; return the start from which none is wanted."""
        end = self.begin + self._window
        kept = {job: start for job, start in self.wanted.items() if start < end}
        if self._most is not None and len(kept) > self._most:
            self.cut = True
            first = sorted(kept.items(), key=itemgetter(1))[: self._most]
            kept, end = dict(first), first[-1][1]
        self.wanted = kept
        return end

    def count_others(self, taking: Taking, limit: int | None) -> None:
        """Count what was read beside the wanted jobs."""
        jobs = _distinct(self._names) - len(self.wanted)
        late = f", after the first {limit}" if self.cut else ""
        tasks = self._rows - self._not_sampled - self.tasks_of_wanted
        taking.leave_out(f"{OUTSIDE}{late} or without start times", jobs, tasks)
        taking.leave_out(NOT_SAMPLED, _distinct(self._others), self._not_sampled)


def _distinct(hashes: "array[int]") -> int:
    return len(np.unique(np.frombuffer(hashes, dtype=np.int64))) if hashes else 0


def _take(
    path: Path, survey: _Survey, taking: Taking, machine_gb: float, most_instances: int
) -> None:
    """The second reading: take what can be taken of the wanted jobs."""
    taking.begin_at(survey.begin if math.isfinite(survey.begin) else 0.0)
    if survey.first <= survey.last:
        taking.seen(survey.first, survey.last)
    found: dict[str, _Rows] = {}
    kept = 0
    for line, row in _rows(path):
        if row[JOB] not in survey.wanted:
            continue
        rows = found.setdefault(row[JOB], _Rows())
        rows.count += 1
        place = f"{path}:{line}"
        start = _start(path, line, row)
        rows.start = min(rows.start, start if start > 0 else math.inf)
        task = _task(place, row, start, machine_gb, most_instances)
        if isinstance(task, str) or rows.trouble:
            kept -= sum(each.copies for each in rows.tasks)
            rows.tasks = []
            rows.trouble = rows.trouble or str(task)
        else:
            rows.tasks.append(task)
            kept += task.copies
            check_size(place, kept)
    survey.tasks_of_wanted = sum(rows.count for rows in found.values())
    for name, rows in found.items():
        job = rows.trouble or _job(rows)
        if isinstance(job, str):
            taking.leave_out(job, tasks=rows.count)
        elif taking.in_time(rows.start, tasks=rows.count):
            taking.add(f"{path}: job {name}", job)


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of each row, in the order of ``COLUMNS``."""
    rows = read_rows(path)
    first = next(rows, None)
    if first is None:
        return
    line, cells = first
    names = [cell.strip() for cell in cells]
    _check_layout(f"{path}:{line}", names)
    if "job_name" in names:
        missing = [name for name in COLUMNS if name not in names]
        if missing:
            raise TraceError(f"{path}:{line}: column {missing[0]} is missing in the header")
        pick = itemgetter(*(names.index(name) for name in COLUMNS))
        width = len(names)
    else:
        yield first
        width, pick = len(COLUMNS), None
    for line, cells in rows:
        if len(cells) != width:
            raise TraceError(f"{path}:{line}: {len(cells)} cells, expected {', '.join(COLUMNS)}")
        yield line, cells if pick is None else list(pick(cells))


def _check_layout(place: str, cells: Sequence[str]) -> None:
    """Refuse another file of Alibaba's traces by its name, and a wrong number of cells."""
    if "job_name" in cells and len(cells) != 14:
        return
    expected = f"expected batch_task.csv of cluster-trace-v2018 with {', '.join(COLUMNS)}"
    for (width, status), name in OTHER_FILES.items():
        named = len(cells) == width and ("status" in cells or cells[status] in STATUSES)
        if named:
            raise TraceError(f"{place}: looks like {name}; {expected}")
    if len(cells) != len(COLUMNS):
        raise TraceError(f"{place}: {len(cells)} cells, {expected}")


def _start(path: Path, line: int, row: Sequence[str]) -> float:
    """Return when a task started; 0 stands for outside the recorded days, or not known."""
    text = row[START]
    try:
        start = float(text) if text else 0.0
    except ValueError:
        start = math.nan
    if not -MAX_COUNT <= start <= MAX_COUNT:
        number(f"{path}:{line}", "start_time", text, -MAX_COUNT, MAX_COUNT)
    return start


def _task(
    place: str, row: Sequence[str], start: float, machine_gb: float, most: int
) -> _Task | str:
    """Return what can be run of a task, or why nothing can; -1 and 101 are marks of no value."""
    if row[STATUS] != ENDED:
        return "with a task that did not end"
    instances, end, cpu, memory = (
        number(place, COLUMNS[at], row[at], -MAX_COUNT, MAX_COUNT) if row[at] else -1.0
        for at in (INSTANCES, END, CPU, MEMORY)
    )
    if not 0 < start <= end:
        return "with a task without times"
    if instances < 0 or cpu < 0 or not 0 <= memory <= 100:
        return "with a task without cpu, memory or instances"
    copies = max(1, int(min(instances, most)))
    return _Task(
        name=row[TASK],
        segment=work(place, (end - start) * cpu / 100, memory / 100 * machine_gb, "linear7"),
        start=start,
        copies=copies,
        left_out=max(0, round(instances) - copies),
    )


def _job(rows: _Rows) -> Job | str:
    """Return the job of these tasks, or why it cannot be one."""
    facts: Counter[str] = Counter(instances=sum(task.left_out for task in rows.tasks))
    spelled = [_spelled(task.name) for task in rows.tasks]
    groups: dict[str, list[int]] = {}
    count = 0
    for (own, _, _), task in zip(spelled, rows.tasks, strict=True):
        facts["twice"] += own in groups
        groups.setdefault(own, []).extend(range(count, count + task.copies))
        count += task.copies
    nodes: list[Node] = []
    for (own, parents, cut), task in zip(spelled, rows.tasks, strict=True):
        known = tuple(name for name in dict.fromkeys(parents) if name in groups and name != own)
        facts["parents"] += len(set(parents)) - len(known)
        facts["cut"] += cut
        nodes += [Node(segment=task.segment, waits_for=known)] * task.copies
    facts |= Counter({f"{name} jobs": 1 for name in ("parents", "cut", "twice") if facts[name]})
    made = graph_operators(nodes, groups)
    if made is None:
        return "with parents in a circle"
    operators, facts["barriers"] = made
    small = Priority.QUERY if len(rows.tasks) == 1 else Priority.INTERACTIVE
    return Job(
        arrival_seconds=rows.start,
        priority=small if len(rows.tasks) <= SMALL_JOB else Priority.BATCH_PIPELINE,
        operators=operators,
        tasks=rows.count,
        facts=facts,
    )


def _spelled(name: str) -> tuple[str, list[str], bool]:
    """Return a task's number, its parents' numbers, and whether its name was cut off in these."""
    cut = False
    if len(name) == NAME_CUT_AT:
        whole, _, last = name.rpartition("_")
        cut = not last or (last.isascii() and last.isdecimal())
        name = whole if cut else name
    match = GRAPH_NAME.fullmatch(name)
    if match is None:
        return name, [], False
    return match[1], match[2].split("_")[1:], cut
