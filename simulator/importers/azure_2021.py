"""Azure Functions 2021: one row per invocation with its end and its duration."""

from pathlib import Path

import numpy as np

from simulator.importers.records import (
    Imported,
    Job,
    assemble,
    check_size,
    number,
    single,
    table,
    work,
)
from simulator.workload import Priority

SOURCE = "Azure Functions Invocation Trace 2021 (Zhang et al., SOSP 2021)"
LICENCE = "CC-BY; cite the paper named as the source"
COLUMNS = ("app", "func", "end_timestamp", "duration")


def import_azure_2021(
    path: Path,
    *,
    rng: np.random.Generator,
    begin_seconds: float = 0.0,
    window_seconds: float = 600.0,
    ticks_per_second: int = 100,
    median_memory_gb: float = 0.17,
    memory_sigma: float = 0.8,
) -> Imported:
    """Return the invocations that began in a window of the file's own clock."""
    jobs: list[Job] = []
    skipped = 0
    # Every application is drawn for where it first occurs, so that windows of a file agree.
    memory: dict[str, float] = {}
    for place, row in table(path, COLUMNS):
        lasted = number(place, "duration", row["duration"])
        began = number(place, "end_timestamp", row["end_timestamp"]) - lasted
        app = row["app"]
        if app not in memory:
            memory[app] = median_memory_gb * float(rng.lognormal(0, memory_sigma))
        if not begin_seconds <= began < begin_seconds + window_seconds:
            skipped += 1
            continue
        check_size(place, len(jobs))
        jobs.append(
            Job(
                arrival_seconds=began,
                priority=Priority.INTERACTIVE,
                operators=single(work(place, lasted, memory[app])),
            )
        )
    return Imported(
        source=SOURCE,
        licence=LICENCE,
        assumptions=(
            "every invocation is one pipeline of one operator; cpus do not make it faster; nothing "
            "is read",
            "it arrives at its end less its duration, so waiting in the recorded system is not "
            "seen",
            "memory is not in the data: one fixed size per application, lognormal around "
            f"{median_memory_gb:g} GB with sigma {memory_sigma:g}",
            "triggers are not in the data: every invocation has priority INTERACTIVE",
        ),
        workload=assemble(jobs, ticks_per_second),
        skipped=skipped,
    )
