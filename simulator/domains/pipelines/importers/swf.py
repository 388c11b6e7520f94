"""Standard Workload Format: logs of the Parallel Workloads Archive, 18 numbers to a line."""

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

from simulator.domains.pipelines.importers.records import (
    NOT_SAMPLED,
    Imported,
    Job,
    Selection,
    Taking,
    count_facts,
    side_by_side,
    work,
)
from simulator.domains.pipelines.workload import Priority, Segment
from simulator.errors import TraceError
from simulator.readers.files import MAX_COUNT, number, read_lines

SOURCE = "a log in the Standard Workload Format 2.2"
LICENCE = "see the terms of the log; most ask to be cited"
DEFAULT = Selection(window_seconds=86_400.0, ticks_per_second=10)
FIELDS = 18
NUMBER, SUBMITTED, WAITED, RAN, ALLOCATED, USED_KB = 0, 1, 2, 3, 4, 6
REQUESTED, REQUESTED_KB, STATUS, QUEUE, PRECEDING, THINK = 7, 9, 10, 14, 16, 17
RUN_TIMES = (WAITED, RAN, THINK)
PARTS_OF_JOBS = (2, 3, 4)
"""Status of lines about a part of a job, whose whole is another line."""
SHORTEST_SECONDS = 0.5
KB_PER_GB = 1e6
BOM = "\xef\xbb\xbf"
ENDS_KEPT = 500_000
"""Jobs whose ends are remembered at least, for the jobs that wait for them."""


def import_swf(
    path: Path,
    selection: Selection = DEFAULT,
    *,
    gb_per_processor: float = 1.0,
    query_seconds: float = 60.0,
    most_operators: int = 64,
) -> Imported:
    """Return the jobs that arrived in a window of the log."""
    taking = Taking(selection)
    ends = _Ends()
    queues_used = False
    # Names in comments are often not UTF-8; the fields are digits in any encoding.
    for line, content in enumerate(read_lines(path, "latin-1"), start=1):
        cells = content.removeprefix(BOM).split(";")[0].split()
        if not cells:
            continue
        place = f"{path}:{line}"
        values = _values(place, cells)
        queues_used |= values[QUEUE] > 0
        reason = _unusable(values)
        if reason is not None:
            taking.leave_out(reason)
            continue
        arrival, waits = ends.arrival(values)
        if not taking.sampled(f"{line}"):
            taking.leave_out(NOT_SAMPLED)
        elif taking.in_time(arrival):
            facts = {fact: 1 for fact in (waits, "extra" if len(cells) > FIELDS else "") if fact}
            figures = (gb_per_processor, query_seconds, most_operators)
            taking.add(place, _job(place, arrival, values, facts, *figures))
    jobs = taking.jobs()
    if not queues_used:
        jobs = [replace(job, priority=_by_length("short" in job.facts)) for job in jobs]
    facts_of_all = count_facts(jobs)
    return taking.imported(
        path,
        jobs,
        source=SOURCE,
        licence=LICENCE,
        assumptions=_assumptions(
            facts_of_all, queues_used, gb_per_processor, query_seconds, most_operators
        ),
    )


class _Ends:
    """When jobs ended, for the jobs that name them as preceding: the latest ones only."""

    def __init__(self) -> None:
        self._new: dict[float, float] = {}
        self._old: dict[float, float] = {}

    def arrival(self, values: list[float]) -> tuple[float, str]:
        """Return when a job arrives, and whether it waited for another one."""
        arrival, fact = values[SUBMITTED], ""
        preceding = values[PRECEDING]
        if preceding > 0:
            end = self._new.get(preceding, self._old.get(preceding))
            if end is None:
                fact = "preceding unknown"
            elif end + max(values[THINK], 0.0) > arrival:
                arrival, fact = end + max(values[THINK], 0.0), "preceding"
        begin = max(arrival, values[SUBMITTED] + max(values[WAITED], 0.0))
        if len(self._new) >= ENDS_KEPT:
            self._old, self._new = self._new, {}
        self._new[values[NUMBER]] = begin + values[RAN]
        return arrival, fact


def _assumptions(
    facts: Counter[str],
    queues_used: bool,
    gb_per_processor: float,
    query_seconds: float,
    most_operators: int,
) -> tuple[str, ...]:
    lost = facts["processor-seconds lost"]
    queue_0 = "queue 0 (interactive) INTERACTIVE, otherwise " if queues_used else ""
    return (
        "a job is a pipeline that arrives when it was submitted; nothing is read",
        f"{facts['preceding']} jobs name a preceding job that ended later: they arrive when that "
        "one ended in the log, and their think time after it"
        if facts["preceding"]
        else "",
        f"{facts['preceding unknown']} jobs name a preceding job that is not in the log before "
        "them: they arrive when they were submitted"
        if facts["preceding unknown"]
        else "",
        "a job runs on as many cpus as it had processors and no more: an operator for every 7 "
        "processors (linear7), one for 3 of the rest (linear3), one for each processor left "
        f"(const), side by side, {most_operators} at most",
        f"{facts['wide']} jobs are wider than that: they keep their run time and lose "
        f"{lost} processor-seconds of work, and the memory of these processors"
        if facts["wide"]
        else "",
        "memory is fixed: used memory per processor times processors, else requested memory, else "
        f"{gb_per_processor:g} GB a processor ({facts['memory']} jobs)",
        f"priority: {queue_0}jobs of {query_seconds:g} s at most QUERY, others BATCH_PIPELINE"
        + ("" if queues_used else "; queues have no meaning: no job has one above 0"),
        f"a run time of 0 counts as {SHORTEST_SECONDS:g} s ({facts['zero']} jobs)",
        f"{facts['extra']} lines have more than {FIELDS} fields: the rest was ignored"
        if facts["extra"]
        else "",
    )


def _values(place: str, cells: list[str]) -> list[float]:
    """Return the fields of a line by position, from 0; any negative number means not known."""
    if len(cells) < FIELDS:
        raise TraceError(f"{place}: {len(cells)} fields, expected {FIELDS}")
    values = []
    for position, cell in enumerate(cells[:FIELDS]):
        try:
            value = float(cell)
        except ValueError:
            value = math.nan
        if not -MAX_COUNT <= value <= (1e9 if position in RUN_TIMES else MAX_COUNT):
            high = 1e9 if position in RUN_TIMES else MAX_COUNT
            number(place, f"field {position + 1}", cell, -MAX_COUNT, high)
        values.append(value)
    return values


def _unusable(values: list[float]) -> str | None:
    if values[STATUS] in PARTS_OF_JOBS:
        return "a part of a job that another line has whole"
    if values[SUBMITTED] < 0:
        return "without submit time"
    if values[RAN] < 0:
        return "without run time"
    if values[ALLOCATED] <= 0 and values[REQUESTED] <= 0:
        return "without processors"
    return None


def _job(
    place: str,
    arrival: float,
    values: list[float],
    facts: dict[str, int],
    gb_per_processor: float,
    query_seconds: float,
    most_operators: int,
) -> Job:
    lasted = values[RAN]
    processors = values[ALLOCATED] if values[ALLOCATED] > 0 else values[REQUESTED]
    kilobytes = values[USED_KB] if values[USED_KB] > 0 else values[REQUESTED_KB]
    each_gb = kilobytes / KB_PER_GB if kilobytes > 0 else gb_per_processor
    seconds = lasted or SHORTEST_SECONDS
    facts |= {"short": 1} if lasted <= query_seconds else {}
    facts |= {"zero": 1} if not lasted else {}
    facts |= {"memory": 1} if kilobytes <= 0 else {}
    widths = _widths(processors, max(1, most_operators))
    lost = processors - sum(widths)
    if lost > 0.5:
        facts |= {"wide": 1, "processor-seconds lost": round(lost * seconds)}
    return Job(
        arrival_seconds=arrival,
        priority=Priority.INTERACTIVE if values[QUEUE] == 0 else _by_length("short" in facts),
        operators=side_by_side(_segment(place, seconds, each, each_gb * each) for each in widths),
        facts=facts,
    )


def _by_length(short: bool) -> Priority:
    return Priority.QUERY if short else Priority.BATCH_PIPELINE


def _widths(processors: float, most: int) -> list[int]:
    """Return the processors of each operator: widths that a scaling law stops at."""
    whole = max(1, math.ceil(min(processors, 7.0 * most)))
    rest = whole % 7
    widths = [7] * (whole // 7) + [3] * (rest // 3) + [1] * (rest % 3)
    return widths[:most]


def _segment(place: str, seconds: float, width: int, memory_gb: float) -> Segment:
    law = {7: "linear7", 3: "linear3", 1: "const"}[width]
    return work(place, seconds * width, memory_gb, law)
