"""Azure Functions 2021: one row per invocation with its end and its duration."""

from pathlib import Path

import numpy as np

from simulator.domains.pipelines.importers.records import (
    NOT_SAMPLED,
    Imported,
    Job,
    Selection,
    Taking,
    side_by_side,
    work,
)
from simulator.domains.pipelines.workload import Priority
from simulator.readers.files import MAX_COUNT, number, read_table

SOURCE = "Azure Functions Invocation Trace 2021 (Zhang et al., SOSP 2021)"
LICENCE = "CC-BY; cite the paper named as the source"
DEFAULT = Selection()
COLUMNS = ("app", "end_timestamp", "duration")


def import_azure_2021(
    path: Path,
    selection: Selection = DEFAULT,
    *,
    median_memory_gb: float = 0.17,
    memory_sigma: float = 0.8,
) -> Imported:
    """Return the invocations that began in a window of the file's own clock."""
    taking = Taking(selection)
    rng = np.random.default_rng(selection.seed)
    # Every application is drawn for where it first occurs, so that windows of a file agree.
    memory: dict[str, float] = {}
    for place, (app, end, duration) in read_table(path, COLUMNS):
        lasted = number(place, "duration", duration, low=-MAX_COUNT)
        began = number(place, "end_timestamp", end, low=-MAX_COUNT, high=MAX_COUNT) - lasted
        if app not in memory:
            memory[app] = median_memory_gb * float(rng.lognormal(0, memory_sigma))
        if lasted < 0:
            taking.leave_out("with a negative duration")
        elif not taking.sampled(place.rpartition(":")[2]):
            taking.leave_out(NOT_SAMPLED)
        elif taking.in_time(began):
            job = Job(
                arrival_seconds=began,
                priority=Priority.INTERACTIVE,
                operators=side_by_side([work(place, lasted, memory[app])]),
            )
            taking.add(place, job)
    return taking.imported(
        path,
        taking.jobs(),
        source=SOURCE,
        licence=LICENCE,
        assumptions=(
            "every invocation is one pipeline of one operator; cpus do not make it faster; nothing "
            "is read",
            "it arrives at its end less its duration, so waiting in the recorded system is not "
            "seen",
            "memory is not in the data: one fixed size for each of the "
            f"{len(memory)} applications in the file, lognormal around {median_memory_gb:g} GB "
            f"with sigma {memory_sigma:g}",
            "triggers are not in the data: every invocation has priority INTERACTIVE",
        ),
    )
