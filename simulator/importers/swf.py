"""Standard Workload Format: logs of the Parallel Workloads Archive, 18 numbers to a line."""

import math
from pathlib import Path

from simulator.errors import TraceError
from simulator.importers.records import (
    MAX_COUNT,
    Imported,
    Job,
    assemble,
    check_size,
    number,
    read_lines,
    single,
    work,
)
from simulator.workload import Priority

SOURCE = "a log in the Standard Workload Format 2.2"
LICENCE = "see the terms of the log; most ask to be cited"
FIELDS = 18
TIME_FIELDS = (2, 3, 4, 9, 18)
PARTS_OF_JOBS = (2, 3, 4)
"""Status of lines that tell of a part of a job, whose whole is another line."""
LINEAR_CPUS = 7
"""The most cpus that the law linear7 makes use of."""
SHORTEST_SECONDS = 0.5
KB_PER_GB = 1e6
BOM = "\xef\xbb\xbf"


def import_swf(
    path: Path,
    *,
    begin_seconds: float = 0.0,
    window_seconds: float = 86_400.0,
    ticks_per_second: int = 10,
    gb_per_processor: float = 1.0,
    query_seconds: float = 60.0,
    most_operators: int = 64,
) -> Imported:
    """Return the jobs that were submitted in a window of the log."""
    jobs: list[Job] = []
    skipped = operators = 0
    # Names in comments are often not UTF-8; the fields are digits in any encoding.
    for line, content in enumerate(read_lines(path, "latin-1"), start=1):
        cells = content.removeprefix(BOM).split(";")[0].split()
        if not cells:
            continue
        place = f"{path}:{line}"
        values = _values(place, cells)
        job = None
        if 0 <= values[1] - begin_seconds < window_seconds:
            job = _job(place, values, gb_per_processor, query_seconds, most_operators)
        if job is None:
            skipped += 1
            continue
        operators += len(job.operators)
        check_size(place, operators)
        jobs.append(job)
    return Imported(
        source=SOURCE,
        licence=LICENCE,
        assumptions=_assumptions(gb_per_processor, query_seconds, most_operators),
        workload=assemble(jobs, ticks_per_second),
        skipped=skipped,
    )


def _assumptions(
    gb_per_processor: float, query_seconds: float, most_operators: int
) -> tuple[str, ...]:
    return (
        "a job is a pipeline that arrives when it was submitted; nothing is read",
        f"it has an operator for every {LINEAR_CPUS} processors, {most_operators} at most, without "
        "a graph: together they do run time times processors, each linear7, or const with one "
        "processor",
        "memory is fixed: used memory per processor times processors, else requested, else "
        f"{gb_per_processor:g} GB a processor",
        f"priority: queue 0 (interactive) INTERACTIVE, jobs of {query_seconds:g} s at most QUERY, "
        "others BATCH_PIPELINE",
        f"a run time of 0 counts as {SHORTEST_SECONDS:g} s; lines without run time or processors, "
        "and lines about parts of a job, are left out",
    )


def _values(place: str, cells: list[str]) -> list[float]:
    """Return the fields of a line by position, from 0; -1 stands for what is not known."""
    if len(cells) != FIELDS:
        raise TraceError(f"{place}: {len(cells)} fields, expected {FIELDS}")
    return [
        number(place, f"field {position}", cell, low=-1.0)
        if position in TIME_FIELDS
        else number(place, f"field {position}", cell, low=-1.0, high=MAX_COUNT)
        for position, cell in enumerate(cells, start=1)
    ]


def _job(
    place: str,
    values: list[float],
    gb_per_processor: float,
    query_seconds: float,
    most_operators: int,
) -> Job | None:
    submitted, lasted, allocated, used = values[1], values[3], values[4], values[6]
    requested, requested_kilobytes, status, queue = values[7], values[9], values[10], values[14]
    processors = allocated if allocated > 0 else requested
    if lasted < 0 or processors <= 0 or status in PARTS_OF_JOBS:
        return None
    seconds = max(lasted, SHORTEST_SECONDS)
    kilobytes = used if used > 0 else requested_kilobytes
    each_gb = kilobytes / KB_PER_GB if kilobytes > 0 else gb_per_processor
    copies = max(1, min(math.ceil(processors / LINEAR_CPUS), most_operators))
    check_size(place, copies)
    part = processors / copies
    law = "linear7" if processors > 1 else "const"
    short = Priority.QUERY if lasted <= query_seconds else Priority.BATCH_PIPELINE
    return Job(
        arrival_seconds=submitted,
        priority=Priority.INTERACTIVE if queue == 0 else short,
        operators=single(work(place, seconds * part, each_gb * part, law), copies),
    )
